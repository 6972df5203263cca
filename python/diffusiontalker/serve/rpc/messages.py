"""Messages of Audio2Face-3D's public protocol and of gRPC's health checks, from one table.

Descriptors are built when this is imported, in a pool of their own: two packages of NVIDIA's that
cannot live together share names in the default one, and nothing here meets either. On the wire a
message has no name, so the names of messages are ours. Fields that we neither read nor write are
left out; protobuf passes over them.
"""

from __future__ import annotations

import struct
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


# ---- what a live session says all the time: no object a message ----------------------------------

_double = struct.Struct("<d").pack


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class FrameWriter:
    """Frames as AnimationDataStream, byte for byte what protobuf makes of them.

    What stands around the time codes, the weights and the sound depends on their lengths alone.
    (Frame 0 says its time code, which protobuf would leave out: it means the same.)
    """

    def __init__(self, weights: int) -> None:
        self._weights_bytes = 4 * weights
        self._around: dict[int, tuple[bytes, bytes, bytes, bytes]] = {}

    def __call__(self, time_code: float, weights: bytes | memoryview, sound: bytes) -> bytes:
        """`weights`: float32, little endian."""
        around = self._around.get(len(sound))
        if around is None:
            around = self._around[len(sound)] = self._made(len(sound))
        code = _double(time_code)
        return b"".join((around[0], code, around[1], weights, around[2], code, around[3], sound))

    def _made(self, sound_bytes: int) -> tuple[bytes, bytes, bytes, bytes]:
        before_weights = b"\x12" + _varint(self._weights_bytes)
        curve_bytes = 9 + len(before_weights) + self._weights_bytes
        before_curves = b"\x0a" + _varint(curve_bytes)
        animation_bytes = len(before_curves) + curve_bytes
        before_sound = b"\x12" + _varint(sound_bytes)
        audio_bytes = 9 + len(before_sound) + sound_bytes
        before_animation = b"\x0a" + _varint(animation_bytes)
        before_audio = b"\x12" + _varint(audio_bytes)
        data_bytes = len(before_animation) + animation_bytes + len(before_audio) + audio_bytes
        data = b"\x12" + _varint(data_bytes)
        return (
            data + before_animation + before_curves + b"\x09",
            before_weights,
            before_audio + b"\x09",
            before_sound,
        )


def sound_in(message: bytes) -> bytes | None:
    """The sound of an AudioStream that holds nothing else; None for any other message."""
    # audio_with_emotion to the message's end, and in it audio_buffer to the same.
    if len(message) < 4 or message[0] != 0x12:
        return None
    length, at = _length_at(message, 1)
    if at + length != len(message) or at >= len(message) or message[at] != 0x0A:
        return None
    length, at = _length_at(message, at + 1)
    return message[at:] if at + length == len(message) else None


def _length_at(message: bytes, at: int) -> tuple[int, int]:
    """A varint and where it ends; a length that no message has where it does not."""
    value = shift = 0
    for byte in message[at : at + 5]:
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return -1, at
