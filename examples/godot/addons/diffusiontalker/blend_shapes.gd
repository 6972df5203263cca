# Which blend shapes of which meshes a face's values move, found by name: jawOpen, JawOpen,
# jaw_open, blendShape1.jawOpen, eyeBlink_L and eyeBlinkLeft alike.
extends "values.gd"

var meshes = 0 # that have any of the shapes
var missing = [] # curves that no mesh shows
var unknown = [] # names in `names` or `gains` that are no curve

var _bound = [] # for each curve, [mesh, property, gain, value set last]


# Looks through `root` and all below it. `names` has for curves whose shape is called otherwise that
# shape's name, "" for none; `gains` a factor for curves that shall move more or less than sent.
func bind(root, names, gains):
	meshes = 0
	missing = []
	unknown = []
	_bound = []
	for given in [names, gains]:
		for curve in given:
			if not CURVES.has(curve):
				unknown.append(curve)
	var asked = {}
	for curve in CURVES:
		_bound.append([])
		asked[_plain(names[curve] if names.has(curve) else curve)] = curve
	var found = {}
	_bind_below(root, asked, gains, found)
	for curve in CURVES:
		if not found.has(curve) and not (names.has(curve) and names[curve] == ""):
			missing.append(curve)


# Sets the shapes to values in the order of CURVES, those that have changed.
func show(values):
	for i in range(_bound.size()):
		var value = values[i]
		for each in _bound[i]:
			if each[3] != value and is_instance_valid(each[0]):
				each[0].set(each[1], value * each[2])
				each[3] = value


func _bind_below(node, asked, gains, found):
	# By name, as Godot 3 and 4 call the class differently.
	if node.is_class("MeshInstance") or node.is_class("MeshInstance3D"):
		var mesh = node.get("mesh")
		var has_any = false
		# Other meshes (a box, a sphere) have no shapes and do not know the question.
		if mesh != null and mesh.has_method("get_blend_shape_count"):
			for i in range(mesh.get_blend_shape_count()):
				var shape = str(mesh.get_blend_shape_name(i))
				var plain = _plain(shape)
				if plain == "" or not asked.has(plain):
					continue
				var curve = asked[plain]
				var gain = float(gains[curve]) if gains.has(curve) else 1.0
				_bound[CURVES.find(curve)].append([node, "blend_shapes/" + shape, gain, null])
				found[curve] = true
				has_any = true
		if has_any:
			meshes += 1
	for child in node.get_children():
		_bind_below(child, asked, gains, found)


# A name without what programs add to it: what stands before a dot, marks, case, the side's form.
func _plain(shape) -> String:
	var dot = shape.rfind(".")
	var tail = shape.substr(dot + 1, shape.length() - dot - 1)
	if tail.ends_with("_L"):
		tail = tail.substr(0, tail.length() - 2) + "Left"
	elif tail.ends_with("_R"):
		tail = tail.substr(0, tail.length() - 2) + "Right"
	return tail.to_lower().replace("_", "").replace("-", "").replace(" ", "")
