# The addon's parts in the real engine: godot3-server --path PROJECT -s units.gd
extends SceneTree

const BlendShapes = preload("res://addons/diffusiontalker/blend_shapes.gd")
const Face = preload("res://addons/diffusiontalker/face.gd")
const JitterBuffer = preload("res://addons/diffusiontalker/jitter_buffer.gd")
const Packet = preload("res://addons/diffusiontalker/packet.gd")
const SECOND = 1000000

var failures = 0
var heard = []


func _init():
	for test in [
		"a_packet_is_read", "bad_packets_are_refused", "frames_come_in_order", "a_bad_link",
		"midnight_and_silence", "a_stalled_face_closes", "another_sender_waits",
		"shapes_by_name", "lacking_shapes_are_named_once", "a_taken_port", "a_picture_takes_little",
	]:
		var before = failures
		call(test)
		print("ok " if failures == before else "FAILED ", test)
	quit(0 if failures == 0 else 1)


func expect(got, wanted, what):
	if got != wanted:
		failures += 1
		print("  %s: expected %s, got %s" % [what, wanted, got])


# A packet as a phone sends it; `change` replaces parts of it.
func packet(number, value, change = {}):
	var out = StreamPeerBuffer.new()
	out.big_endian = true
	out.put_u8(change.get("version", 6))
	for text in ["device", change.get("subject", "face")]:
		out.put_32(change.get("length", text.length()))
		out.put_data(text.to_utf8())
	out.put_32(number)
	out.put_float(change.get("part", 0.0))
	out.put_32(change.get("rate", 60))
	out.put_32(change.get("den", 1))
	var count = change.get("count", 61)
	out.put_u8(count)
	for i in range(count):
		out.put_float(value)
	return out.data_array


func a_packet_is_read():
	var read = Packet.new()
	expect(read.read(packet(90, 0.25, {"part": 0.5, "subject": "Zoe"})), true, read.why)
	expect(read.subject, "Zoe", "subject")
	expect(read.time_us, 1508333, "time")
	expect(read.values.size(), 52, "values")
	expect(read.values[51], 0.25, "value")
	expect(read.rotations.size(), 9, "rotations")
	expect(read.read(packet(90, 0.25, {"count": 52})), true, read.why)
	expect(read.rotations.size(), 0, "no rotations")


func bad_packets_are_refused():
	var read = Packet.new()
	for bad in [
		[PoolByteArray(), "an empty packet"],
		["#bundle".to_ascii(), "OSC (VMC) in place of Live Link Face: send with --to livelink://"],
		[packet(0, 0.0, {"version": 7}), "Live Link Face version: expected 6, got 7"],
		[packet(0, 0.0, {"length": 1 << 30}),
				"length of the device: expected 0 to 256 and within the packet, got 1073741824"],
		[packet(0, 0.0, {"length": -1}),
				"length of the device: expected 0 to 256 and within the packet, got -1"],
		[packet(0, 0.0, {"den": 0}), "frame 0 + 0 at 60/0 a second: no such time"],
		[packet(0, 0.0, {"part": NAN}), "frame 0 + nan at 60/1 a second: no such time"],
		[packet(0, 0.0, {"count": 51}), "values: expected at least 52, got 51"],
		[packet(0, NAN), "value 0: expected a number of at most 10, got nan"],
		[packet(0, 1e9), "value 0: expected a number of at most 10, got 1000000000"],
	]:
		expect(read.read(bad[0]), false, bad[1])
		expect(read.why, bad[1], "why")
	# Cut anywhere, it is refused and nothing is read beyond its end.
	var whole = packet(0, 0.5)
	for length in range(whole.size()):
		var cut = PoolByteArray() if length == 0 else whole.subarray(0, length - 1)
		expect(read.read(cut), false, "%d bytes" % length)


func frames_come_in_order():
	var buffer = JitterBuffer.new()
	buffer.delay_us = 50000
	expect(buffer.face_at(0), null, "nothing yet")
	expect(buffer.push(0, [0.0], SECOND), true, "0")
	expect(buffer.push(32000, [2.0], SECOND + 32000), true, "2")
	expect(buffer.push(16000, [1.0], SECOND + 33000), true, "1 was overtaken")
	expect(buffer.push(32000, [2.0], SECOND + 34000), false, "2 again")
	expect(buffer.face_at(SECOND + 49000), null, "not due")
	expect(buffer.face_at(SECOND + 50000), [0.0], "due")
	expect(buffer.face_at(SECOND + 58000), [0.5], "between")
	expect(buffer.face_at(SECOND + 66000), [1.0], "in order")
	expect(buffer.face_at(SECOND + 90000), [2.0], "the newest stays")
	expect(buffer.push(16000, [1.0], SECOND + 91000), false, "late")
	expect([buffer.late, buffer.twice], [1, 1], "counts")


# Jitter of 0 to 30 ms, 2 % lost, the sender's clock 50 millionths fast, an hour of it in jumps of a
# picture of 11 ms: the instant that is shown must follow the true one.
func a_bad_link():
	seed(11)
	var buffer = JitterBuffer.new()
	buffer.delay_us = 40000
	var arrivals = []
	for i in range(60 * 60):
		if randf() < 0.02:
			continue
		var at = i * SECOND / 60
		arrivals.append([5 * SECOND + at + int(randf() * 30000), int(at * 1.00005), float(i)])
	arrivals.sort_custom(self, "earlier")
	var next = 0
	var worst = 0.0
	var last = -1.0
	for picture in range(60 * 90):
		var now = 5 * SECOND + picture * 11111
		while next < arrivals.size() and arrivals[next][0] <= now:
			buffer.push(arrivals[next][1], [arrivals[next][2]], now)
			next += 1
		var face = buffer.face_at(now)
		if face == null or picture < 90:
			continue
		if face[0] < last:
			expect(face[0], last, "never back")
		last = face[0]
		worst = max(worst, abs(face[0] - (now - 5 * SECOND - 40000) * 60.0 / SECOND) / 0.06)
	expect(buffer.late < 4, true, "%d late" % buffer.late)
	# A picture's step of arrival, a lost frame, drift over the window.
	print("  worst error of the instant shown: %.1f ms" % worst)
	expect(worst < 25.0, true, "worst error %.1f ms" % worst)


func earlier(a, b):
	return a[0] < b[0]


func midnight_and_silence():
	var buffer = JitterBuffer.new()
	var day = 24 * 3600 * SECOND
	buffer.push(day - 16000, [1.0], SECOND)
	expect(buffer.push(0, [2.0], SECOND + 16000), true, "after midnight")
	expect(buffer.face_at(SECOND + 16000), [2.0], "shown")
	expect(buffer.push(16000, [3.0], 9 * SECOND), true, "after a silence")
	expect(buffer.face_at(9 * SECOND), [3.0], "at once")
	expect(buffer.push(3600 * SECOND, [4.0], 9 * SECOND + 9), true, "a clock that was set")
	expect(buffer.face_at(9 * SECOND + 9), [4.0], "shown too")
	expect(buffer.restarts, 3, "restarts")


func made_face(root, names = {}, gains = {}):
	var face = Face.new()
	heard = []
	face.connect("troubled", self, "_hear")
	face.start(root, 20000 + OS.get_process_id() % 20000, 0.0, "", names, gains)
	return face


func _hear(text):
	heard.append(text)


func made_mesh(shapes):
	var mesh = ArrayMesh.new()
	for shape in shapes:
		mesh.add_blend_shape(shape)
	var arrays = []
	arrays.resize(ArrayMesh.ARRAY_MAX)
	arrays[ArrayMesh.ARRAY_VERTEX] = PoolVector3Array([Vector3.ZERO, Vector3.RIGHT, Vector3.UP])
	var moved = []
	for _shape in shapes:
		moved.append(arrays.duplicate())
	mesh.add_surface_from_arrays(Mesh.PRIMITIVE_TRIANGLES, arrays, moved)
	var instance = MeshInstance.new()
	instance.name = "made"
	instance.mesh = mesh
	return instance


func a_stalled_face_closes():
	var face = made_face(made_mesh(["jawOpen"]))
	face.take(packet(60, 0.5), SECOND)
	face.advance(SECOND)
	expect(face.values[0], 0.5, "shown")
	face.advance(SECOND + 500000)
	expect(face.values[0], 0.5, "held")
	face.advance(SECOND + 510000)
	face.advance(SECOND + 610000)
	expect(face.values[0], 0.25, "half closed")
	face.advance(SECOND + 720000)
	expect(face.values[0], 0.0, "closed")
	face.take(packet(120, 0.5), 2 * SECOND)
	face.advance(2 * SECOND)
	expect(face.values[0], 0.5, "and on again")
	face.free()


func another_sender_waits():
	var face = made_face(made_mesh(["jawOpen"]))
	face.take(packet(60, 0.5), SECOND)
	for i in range(3):
		face.take(packet(9000 + i, 0.9, {"subject": "other"}), SECOND + i)
	face.advance(SECOND + 9)
	expect([face.values[0], face.subject, face.frames], [0.5, "face", 1], "the first one's")
	expect(heard.back().ends_with("other sends here beside face and is not shown"), true, "said")
	face.take(packet(9010, 0.9, {"subject": "other"}), 4 * SECOND)
	expect(face.subject, "other", "its turn")
	face.free()


func shapes_by_name():
	var made = made_mesh(["JawOpen", "blendShape1.eyeBlink_L", "mouth_close", "Smirk", "box"])
	var face = made_face(made, {"mouthSmileLeft": "Smirk", "tongueOut": ""}, {"jawOpen": 0.5, "jaw": 2})
	face.take(packet(60, 0.5), SECOND)
	face.advance(SECOND)
	var shown = []
	for shape in ["JawOpen", "blendShape1.eyeBlink_L", "mouth_close", "Smirk", "box"]:
		shown.append(made.get("blend_shapes/" + shape))
	expect(shown, [0.25, 0.5, 0.5, 0.5, 0.0], "values")
	expect(heard[0], "jaw: no such curve", "said")
	face.free()
	made.free()


func lacking_shapes_are_named_once():
	var face = made_face(made_mesh(BlendShapes.CURVES.slice(0, 49)))
	expect(heard, ["made: no blend shapes for noseSneerRight, tongueOut; the others move"], "said")
	for _i in range(3):
		face.take(packet(60, 0.5), SECOND)
		face.advance(SECOND)
	expect(heard.size(), 1, "once")
	face.free()
	face = made_face(Node.new())
	expect(heard[0].ends_with("no mesh below it has blend shapes with ARKit's names"), true, heard[0])
	face.free()
	face = made_face(null)
	expect(heard, ["no node to move: set Target to the imported head"], "no target")
	face.free()


# Another Godot would share the port, as the engine asks the system for that; other programs do not.
func a_taken_port():
	var made = made_mesh(BlendShapes.CURVES)
	var face = made_face(made)
	expect(face.start(made, int(OS.get_environment("DT_TAKEN")), 0.0, "", {}, {}), false, "taken")
	expect(heard.size(), 1, "one line")
	expect(heard[0].find("is taken by another program: set another here") > 0, true, heard[0])
	expect(face.status(), "not listening", "status")
	face.free()
	face = made_face(made)
	expect(face.start(made, 70000, 0.0, "", {}, {}), false, "a port that cannot be")
	expect(heard, ["port 70000: expected 1 to 65535"], "said")
	face.free()
	made.free()


func a_picture_takes_little():
	var made = made_mesh(BlendShapes.CURVES)
	var face = made_face(made)
	var packets = []
	for i in range(300):
		packets.append(packet(60 + i, i / 300.0))
	var before = OS.get_ticks_usec()
	for i in range(300):
		face.take(packets[i], SECOND + i * SECOND / 60)
		face.advance(SECOND + i * SECOND / 60)
	var each = (OS.get_ticks_usec() - before) / 300.0
	print("  a packet and a picture: %.0f us" % each)
	expect(face.frames, 300, "taken")
	expect(each < 8000, true, "half a picture's time, also on a busy machine")
	face.free()
	made.free()
