"""How the head that ships is made: bones, skin, eyes, teeth, tongue, hair, a module each.

Lengths are in widths of the face (landmark 234 to 454), x to the face's left, y up, z forward, from
the bridge of the nose (landmark 168), until `whole.head` makes metres of them. One side is made,
the other is its mirror.
"""
