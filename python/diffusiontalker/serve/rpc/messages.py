"""Messages of Audio2Face-3D's public protocol and of gRPC's health checks, from one table.

Descriptors are built when this is imported, in a pool of their own: two packages of NVIDIA's that
cannot live together share names in the default one, and nothing here meets either. On the wire a
message has no name, so the names of messages are ours. Fields that we neither read nor write are
left out; protobuf passes over them.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "audio2face_3d"
#: Of the one call that clients make.
A2F_SERVICE = "nvidia_ace.services.a2f_controller.v1.A2FControllerService"
A2F_CALL = "ProcessAudioStream"
HEALTH_SERVICE = "grpc.health.v1.Health"

#: Message -> fields as (number, name, type). "[]" after a type: repeated; "{}": a map from text to
#: it; "|" before a name: one of the message's alternatives. A capital letter: a message.
FIELDS: dict[str, list[tuple[int, str, str]]] = {
    # What comes.
    "AudioStream": [
        (1, "|audio_stream_header", "AudioStreamHeader"),
        (2, "|audio_with_emotion", "AudioWithEmotion"),
        (3, "|end_of_audio", "EndOfAudio"),
    ],
    "EndOfAudio": [],
    "AudioStreamHeader": [
        (1, "audio_header", "AudioHeader"),
        (2, "face_params", "FaceParameters"),
        (3, "emotion_post_processing_params", "Emotions"),
        (4, "blendshape_params", "BlendShapeParameters"),
        (5, "emotion_params", "Emotions"),
    ],
    "AudioHeader": [
        (1, "audio_format", "int32"),
        (2, "channel_count", "uint32"),
        (3, "samples_per_second", "uint32"),
        (4, "bits_per_sample", "uint32"),
    ],
    "FaceParameters": [
        (1, "float_params", "float{}"),
        (2, "integer_params", "int32{}"),
        (3, "float_array_params", "FloatArray{}"),
    ],
    "FloatArray": [(1, "values", "float[]")],
    "BlendShapeParameters": [
        (1, "bs_weight_multipliers", "float{}"),
        (2, "bs_weight_offsets", "float{}"),
        (3, "enable_clamping_bs_weight", "bool"),
    ],
    "Emotions": [],  # whether there are any is all that is asked
    "AudioWithEmotion": [(1, "audio_buffer", "bytes"), (2, "emotions", "Emotions[]")],
    # What goes.
    "AnimationDataStream": [
        (1, "|animation_data_stream_header", "AnimationDataStreamHeader"),
        (2, "|animation_data", "AnimationData"),
        (3, "|event", "Event"),
        (4, "|status", "Status"),
    ],
    "AnimationDataStreamHeader": [
        (1, "audio_header", "AudioHeader"),
        (2, "skel_animation_header", "SkelAnimationHeader"),
        (3, "start_time_code_since_epoch", "double"),
    ],
    "SkelAnimationHeader": [(1, "blend_shapes", "string[]"), (2, "joints", "string[]")],
    "AnimationData": [(1, "skel_animation", "SkelAnimation"), (2, "audio", "AudioWithTimeCode")],
    "SkelAnimation": [(1, "blend_shape_weights", "FloatArrayWithTimeCode[]")],
    "FloatArrayWithTimeCode": [(1, "time_code", "double"), (2, "values", "float[]")],
    "AudioWithTimeCode": [(1, "time_code", "double"), (2, "audio_buffer", "bytes")],
    "Event": [(1, "event_type", "int32")],
    "Status": [(1, "code", "int32"), (2, "message", "string")],
    # Health.
    "HealthCheckRequest": [(1, "service", "string")],
    "HealthCheckResponse": [(1, "status", "int32")],
}  # fmt: skip

PCM = 0
END_OF_A2F_AUDIO_PROCESSING = 0
SUCCESS, INFO, WARNING, ERROR = range(4)
SERVING, NOT_SERVING = 1, 2

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "uint32": _Field.TYPE_UINT32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"


def _add_field(message: Any, number: int, name: str, kind: str) -> None:
    field = message.field.add(name=name.lstrip("|"), number=number)
    field.label = _Field.LABEL_REPEATED if kind[-2:] in ("[]", "{}") else _Field.LABEL_OPTIONAL
    if name.startswith("|"):
        if not message.oneof_decl:
            message.oneof_decl.add(name="part")
        field.oneof_index = 0
    if kind.endswith("{}"):
        entry = message.nested_type.add(name="".join(p.title() for p in name.split("_")) + "Entry")
        entry.options.map_entry = True
        key = entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL)
        _set_type(key, "string")
        value = entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL)
        _set_type(value, kind[:-2])
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{message.name}.{entry.name}"
        return
    _set_type(field, kind.removesuffix("[]"))


def file_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """The table as protobuf describes a file; for clients that build their messages from one."""
    made = descriptor_pb2.FileDescriptorProto(
        name="audio2face_3d.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in FIELDS.items():
        message = made.message_type.add(name=name)
        for number, field, kind in fields:
            _add_field(message, number, field, kind)
    return made


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file_descriptor())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in FIELDS
    }


_made = _classes()
AudioStream = _made["AudioStream"]
AnimationDataStream = _made["AnimationDataStream"]
HealthCheckRequest = _made["HealthCheckRequest"]
HealthCheckResponse = _made["HealthCheckResponse"]
