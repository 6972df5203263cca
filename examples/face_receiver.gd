# Godot: put this on the MeshInstance3D whose blend shapes have ARKit's names, then
#
#     dt-stream --mic --to livelink://127.0.0.1
#
# It takes Live Link Face packets: a frame each, so the newest one is all that counts. Written to
# run in Godot 3 and 4 alike (docs/tutorials/godot.md says what was tried).
extends Node

const PORT = 11111
const NAMES = [
	"eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
	"eyeSquintLeft", "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight",
	"eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft",
	"jawRight", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
	"mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft",
	"mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight", "mouthRollLower",
	"mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
	"mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
	"browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
	"cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight",
	"tongueOut",
]

var udp = PacketPeerUDP.new()


func _ready():
	var listen = "bind" if udp.has_method("bind") else "listen" # Godot 4, Godot 3
	if udp.call(listen, PORT) != OK:
		push_error("port %d is taken by another program" % PORT)


func _process(_delta):
	var packet = null
	while udp.get_available_packet_count() > 0:
		packet = udp.get_packet()
	if packet != null:
		apply(packet)


# Sets the blend shapes of a packet: version, two texts, time, rate, then the values.
func apply(packet):
	var buffer = StreamPeerBuffer.new()
	buffer.big_endian = true
	buffer.data_array = packet
	if buffer.get_u8() != 6:
		return
	for _text in range(2): # device, subject
		buffer.seek(buffer.get_position() + 4 + _length(buffer))
	buffer.seek(buffer.get_position() + 16) # frame, sub-frame, rate
	if buffer.get_u8() < NAMES.size():
		return
	for curve in NAMES:
		set("blend_shapes/" + curve, buffer.get_float())


# The length that stands at the position, which stays.
func _length(buffer):
	var at = buffer.get_position()
	var length = buffer.get_32()
	buffer.seek(at)
	return length
