"""A client that computes nothing."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from benchmarks.aggregator.peer.updates import update_of

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    size = int(context.run_config["size"])
    update = update_of(int(context.node_config["index"]), size)
    content = RecordDict({"arrays": ArrayRecord(numpy_ndarrays=[update]), "metrics": MetricRecord({"num-examples": 1})})
    return Message(content=content, reply_to=message)
