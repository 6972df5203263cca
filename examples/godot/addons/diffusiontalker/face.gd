# Receives a face and moves the blend shapes of meshes: what the nodes for Godot 3 and for Godot 4
# share, in words that both read. They have the settings, this has the work.
extends Node

# In words, once for each kind of trouble; it goes to the log as well.
signal troubled(text)

const BlendShapes = preload("blend_shapes.gd")
const JitterBuffer = preload("jitter_buffer.gd")
const Packet = preload("packet.gd")

# Frames stop for this long: the face is closed, so that no mouth stays open.
const STALL_US = 500000
const CLOSING_US = 200000
# Nothing came at all: somebody should look at the port.
const SILENT_US = 5000000
# Of a flood, what one picture takes.
const PACKETS = 512

var subject = "" # of the face that is followed
var frames = 0 # taken
var refused = 0
var values = [] # shown last, in the order of the packet's CURVES
var shown_us = 0 # the instant that they depict, on the sender's clock
var rotations = [] # of the newest frame: head, left eye, right eye, each yaw, pitch, roll in radians

var _udp = null
var _port = 0
var _only = ""
var _shapes = BlendShapes.new()
var _buffer = JitterBuffer.new()
var _packet = Packet.new()
var _clock = Engine.get_singleton("Time") if Engine.has_singleton("Time") else OS
var _said = {}
var _started_us = 0
var _heard_us = 0
var _closing_us = 0
var _closing_from = []
var _device = ""


# Listens at `port` for the face `only` ("": whichever comes first) and moves `root` and what is
# below it, `delay_ms` after the instant that frames depict. False, with the reason said, if the port
# cannot be had.
func start(root, port, delay_ms, only, names, gains) -> bool:
	stop()
	if root == null:
		return _trouble("target", "no node to move: set Target to the imported head")
	_shapes.bind(root, names, gains)
	for curve in _shapes.unknown:
		_trouble("curve " + str(curve), "%s: no such curve" % curve)
	if _shapes.meshes == 0:
		_trouble("meshes", "%s: no mesh below it has blend shapes with ARKit's names" % root.name)
	elif _shapes.missing.size() > 0:
		_trouble("missing", "%s: no blend shapes for %s; the others move"
				% [root.name, _list(_shapes.missing)])
	if port < 1 or port > 65535:
		return _trouble("port", "port %d: expected 1 to 65535" % port)
	_udp = PacketPeerUDP.new()
	# Godot 4, Godot 3.
	if _udp.call("bind" if _udp.has_method("bind") else "listen", port) != OK:
		_udp = null
		return _trouble("port", "port %d is taken by another program: set another here and in"
				% port + " dt-stream --to livelink://THIS_MACHINE:PORT")
	_port = port
	_only = only
	_buffer.delay_us = int(1000 * delay_ms)
	_started_us = now_us()
	return true


func stop():
	if _udp != null:
		_udp.close()
	_udp = null
	_buffer.restart()
	_heard_us = 0
	_closing_us = 0


# Microseconds on a clock that never goes back.
func now_us() -> int:
	return _clock.call("get_ticks_usec")


# One line that says how things stand.
func status() -> String:
	if _udp == null:
		return "not listening"
	var line = "port %d: nothing came yet" % _port
	if frames > 0:
		line = "receiving %s, %d frames" % [subject, frames]
		if now_us() - _heard_us > STALL_US:
			line = "no frames for %.1f s" % ((now_us() - _heard_us) / 1e6)
	if _buffer.late > 0:
		line += "; %d too late" % _buffer.late
	if refused > 0:
		line += "; %d packets refused, last: %s" % [refused, _packet.why]
	return line


func _process(_delta):
	if _udp == null:
		return
	var now = now_us()
	for _i in range(PACKETS):
		if _udp.get_available_packet_count() == 0:
			break
		take(_udp.get_packet(), now)
	if frames == 0 and refused == 0 and now - _started_us > SILENT_US:
		_trouble("silent", "port %d: nothing came for 5 s; is dt-stream running with" % _port
				+ " --to livelink://THIS_MACHINE:%d?" % _port)
	advance(now)


func _exit_tree():
	stop()


# Takes one packet that arrived at `arrival_us`.
func take(bytes, arrival_us):
	if not _packet.read(bytes):
		refused += 1
		_trouble("packet", "port %d: packet refused: %s" % [_port, _packet.why])
		return
	if _only != "" and _packet.subject != _only:
		_trouble("subject", "port %d: a face named %s comes, not %s"
				% [_port, _packet.subject, _only])
		return
	if _packet.subject != subject or _packet.device != _device:
		# Two senders would have the face jump between them; one that left may be followed by another.
		if frames > 0 and arrival_us - _heard_us < JitterBuffer.SILENCE_US:
			_trouble("two", "port %d: %s sends here beside %s and is not shown"
					% [_port, _packet.subject, subject])
			return
		_buffer.restart()
		subject = _packet.subject
		_device = _packet.device
	if _buffer.push(_packet.time_us, _packet.values, arrival_us):
		frames += 1
		_heard_us = arrival_us
		_closing_us = 0
		rotations = _packet.rotations


# Shows the face of the instant `now`.
func advance(now):
	var face = _buffer.face_at(now)
	if face == null:
		return
	if now - _heard_us > STALL_US + _buffer.delay_us:
		if _closing_us == 0:
			_closing_us = now
			_closing_from = face
		var done = float(now - _closing_us) / CLOSING_US
		var left = 0.0 if done >= 1.0 else 1.0 - done * done * (3.0 - 2.0 * done)
		face = []
		for value in _closing_from:
			face.append(value * left)
	values = face
	shown_us = _buffer.shown_us
	_shapes.show(face)


func _list(names) -> String:
	var line = ""
	for i in range(names.size()):
		if i == 8:
			return line + " and %d more" % (names.size() - i)
		line += (", " if i > 0 else "") + names[i]
	return line


func _trouble(kind, text) -> bool:
	if not _said.has(kind):
		_said[kind] = true
		push_warning("DiffusionTalker: " + text)
		emit_signal("troubled", text)
	return false
