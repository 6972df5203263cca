# The node of Godot 3: add it to a scene and set Target to an imported head, or leave Target as it is
# and put it below that head.
extends "res://addons/diffusiontalker/face.gd"

# What to move: a MeshInstance or any node above some.
export(NodePath) var target = NodePath("..")
# Where dt-stream sends: --to livelink://THIS_MACHINE:PORT
export(int, 1, 65535) var port = 11111
# The face is shown this much later: one frame's time to move smoothly, and the network's jitter.
export(float, 0.0, 2000.0) var delay_ms = 20.0
# The face to follow when several send here; empty for whichever comes first.
export(String) var only_subject = ""
# For curves whose shape is called otherwise: curve, shape ("" for none).
export(Dictionary) var shape_names = {}
# Factors by curve, as in jawOpen 1.2.
export(Dictionary) var gains = {}


func _ready():
	start(get_node_or_null(target), port, delay_ms, only_subject, shape_names, gains)
