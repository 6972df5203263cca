# The node of Godot 4: add it to a scene and set Target to an imported head, or leave Target as it is
# and put it below that head.
extends "res://addons/diffusiontalker/face.gd"

## What to move: a MeshInstance3D or any node above some.
@export var target: NodePath = NodePath("..")
## Where dt-stream sends: --to livelink://THIS_MACHINE:PORT
@export_range(1, 65535) var port: int = 11111
## The face is shown this much later: one frame's time to move smoothly, and the network's jitter.
@export_range(0.0, 2000.0) var delay_ms: float = 20.0
## The face to follow when several send here; empty for whichever comes first.
@export var only_subject: String = ""
## For curves whose shape is called otherwise: curve, shape ("" for none).
@export var shape_names: Dictionary = {}
## Factors by curve, as in jawOpen 1.2.
@export var gains: Dictionary = {}


func _ready() -> void:
	start(get_node_or_null(target), port, delay_ms, only_subject, shape_names, gains)
