"""Federated algorithms beside FedAvg, in emulation."""
