# Puts DiffusionTalkerFace into the editor's list of nodes.
@tool
extends EditorPlugin


func _enter_tree():
	add_custom_type("DiffusionTalkerFace", "Node", preload("face.gd"), null)


func _exit_tree():
	remove_custom_type("DiffusionTalkerFace")
