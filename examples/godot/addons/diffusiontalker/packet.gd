# One Live Link Face packet: a frame of a face with the time that it depicts. It comes as one
# datagram, so no frame is ever half there.
#
# Numbers are big-endian: version (u8), device and subject (each an i32 length and UTF-8), frame
# number (i32), sub-frame (f32), rate as a fraction (i32, i32), count (u8), then as many f32.
extends "values.gd"

const VERSION = 6
const MAX_TEXT_BYTES = 256
# Values of other programs may be anything that a float can hold.
const MAX_VALUE = 10.0

var why = "" # of the last packet that was refused
var subject = ""
var device = ""
var time_us = 0 # on the sender's clock: microseconds since its midnight
var values = [] # in the order of CURVES
var rotations = [] # yaw, pitch, roll of the head, the left and the right eye, radians


# Whether `bytes` are such a packet; what it says is in the members then, else `why`.
func read(bytes) -> bool:
	var buffer = StreamPeerBuffer.new()
	buffer.big_endian = true
	buffer.data_array = bytes
	var size = buffer.get_size()
	if size < 1:
		return _refuse("an empty packet")
	var version = buffer.get_u8()
	if version == 0x23:
		return _refuse("OSC (VMC) in place of Live Link Face: send with --to livelink://")
	if version != VERSION:
		return _refuse("Live Link Face version: expected %d, got %d" % [VERSION, version])
	var texts = []
	for what in ["device", "subject"]:
		if size - buffer.get_position() < 4:
			return _refuse("%d bytes end before the %s" % [size, what])
		var length = buffer.get_32()
		if length < 0 or length > MAX_TEXT_BYTES or length > size - buffer.get_position():
			return _refuse("length of the %s: expected 0 to %d and within the packet, got %d"
					% [what, MAX_TEXT_BYTES, length])
		texts.append([buffer.get_position(), length])
		buffer.seek(buffer.get_position() + length)
	if size - buffer.get_position() < 17:
		return _refuse("%d bytes end before the frame's time" % size)
	var number = buffer.get_32()
	var part = buffer.get_float()
	var rate_num = buffer.get_32()
	var rate_den = buffer.get_32()
	var good_time = number >= 0 and part >= 0.0 and part <= 1.0 and rate_num > 0 and rate_den > 0
	if not good_time:
		return _refuse("frame %d + %s at %d/%d a second: no such time"
				% [number, part, rate_num, rate_den])
	var count = buffer.get_u8()
	if count < CURVES.size():
		return _refuse("values: expected at least %d, got %d" % [CURVES.size(), count])
	if size - buffer.get_position() != 4 * count:
		return _refuse("%d values: expected %d bytes, got %d"
				% [count, 4 * count, size - buffer.get_position()])
	var all = []
	for i in range(count):
		var value = buffer.get_float()
		# Not a number fails both.
		if not (value <= MAX_VALUE and value >= -MAX_VALUE):
			return _refuse("value %d: expected a number of at most 10, got %s" % [i, value])
		all.append(value)
	values = all.slice(0, _last(CURVES.size()))
	rotations = all.slice(CURVES.size(), _last(count)) if count > CURVES.size() else []
	device = _text(buffer, texts[0])
	subject = _text(buffer, texts[1])
	time_us = int((number + part) * 1e6 * rate_den / rate_num)
	return true


func _text(buffer, place) -> String:
	buffer.seek(place[0])
	return buffer.get_utf8_string(place[1]) if place[1] > 0 else ""


# The end that slice() wants for a range up to `end`: Godot 3 takes the last one in, Godot 4 not.
func _last(end) -> int:
	return end if Engine.get_version_info()["major"] > 3 else end - 1


func _refuse(reason) -> bool:
	why = reason
	return false
