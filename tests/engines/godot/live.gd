# A scene with the imported head and the addon's node, while a dt-stream runs: prints, for every
# picture, the instant shown and what the mesh's own shapes hold.
#
#     DT_PORT=11111 godot3-server --path PROJECT -s live.gd
extends SceneTree

const SHOWN = ["jawOpen", "mouthClose", "eyeBlinkLeft"]

var face
var mesh
var began = false
var widest = 0.0


func _init():
	Engine.target_fps = 90 # not a multiple of 60: pictures fall between frames
	var head = load("res://head.glb").instance()
	get_root().add_child(head)
	mesh = head.get_node("head")
	print("head: %d shapes, mode %d" % [mesh.mesh.get_blend_shape_count(), mesh.mesh.blend_shape_mode])
	for i in range(mesh.mesh.get_blend_shape_count()):
		var shape = mesh.mesh.get_blend_shape_name(i)
		print("shape %s %s" % [shape, mesh.get("blend_shapes/" + shape)])
	face = load("res://addons/diffusiontalker_godot3/face.gd").new()
	face.port = int(OS.get_environment("DT_PORT"))
	head.add_child(face) # Target is ".." where nothing is set


func _idle(_delta):
	if face.frames > 0 and not began:
		began = true
		print("first %d" % face._buffer._waiting[0][0]) # of the sender's clock
	if face.values.size() > 0:
		var line = "shown %d" % face.shown_us
		for shape in SHOWN:
			line += " %.7f" % mesh.get("blend_shapes/" + shape)
		print(line)
		widest = max(widest, mesh.get("blend_shapes/jawOpen"))
	if face.frames > 60 and face.now_us() - face._heard_us > 1500000:
		print(face.status())
		print("jaw: at most %.4f in %d frames" % [widest, face.frames])
		face.free()
		quit()
	return false
