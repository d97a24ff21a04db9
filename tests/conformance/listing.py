"""The wire format as lines of text, so that a change of a number, type or label is a change of a committed file."""

from google.protobuf.descriptor import FieldDescriptor

from tests.conformance.examples import PACKAGE, descriptors, files

_TYPES = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


def _label(field: FieldDescriptor) -> str:
    if field.is_repeated:
        return "repeated"
    oneof = field.containing_oneof
    if oneof is None:
        return "singular"
    return f"oneof {oneof.name}" if len(oneof.fields) > 1 else "optional"


def _type(field: FieldDescriptor) -> str:
    named = field.message_type or field.enum_type
    return _TYPES[field.type] if named is None else named.full_name.removeprefix(f"{PACKAGE}.")


def lines() -> list[str]:
    """`Message.field = number type label`, `Enum.VALUE = number` and `Service.Call(Request) Response`, sorted."""
    fields = [
        f"{one.full_name}.{field.name} = {field.number} {_type(field)} {_label(field)}"
        for one in descriptors()
        for field in one.fields
    ]
    enums = [one for file in files() for one in file.enum_types_by_name.values()]
    enums += [inner for one in descriptors() for inner in one.enum_types]
    values = [f"{enum.full_name}.{value.name} = {value.number}" for enum in enums for value in enum.values]
    calls = [
        f"{service.full_name}.{call.name}({'stream ' * call.client_streaming}{call.input_type.name}) "
        f"{'stream ' * call.server_streaming}{call.output_type.name}"
        for file in files()
        for service in file.services_by_name.values()
        for call in service.methods
    ]
    return [one.removeprefix(f"{PACKAGE}.") for one in sorted([*fields, *values, *calls])]
