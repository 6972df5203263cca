# Puts frames back in order and in time, and gives the face of any instant. A frame is shown at its
# time, mapped to this program's clock, plus the delay; between two frames the face is between
# theirs. No frame waits longer than the delay after it came, whatever the clocks do.

const ClockMap = preload("clock_map.gd")

const CAPACITY = 512
# A frame this far off the map means that a clock was set or slept; so does a silence this long.
const JUMP_US = 1000000
const SILENCE_US = 2000000
# Frames further apart than this have a gap between them, which is not filled.
const GAP_US = 100000

var delay_us = 0
var late = 0 # frames that came after their successors were shown
var twice = 0
var restarts = 0 # of the clock
var shown_us = 0 # on the sender's clock, the instant that face_at gave last

var _clock = ClockMap.new()
var _waiting = [] # [time, due, values], by time
var _shown = null # the newest that is due
var _heard_us = 0
var _newest_us = 0


# Forgets everything: another sender, another clock.
func restart():
	_clock.reset()
	_waiting = []
	_shown = null
	_newest_us = 0


# Takes a frame that depicts `time_us` of the sender's clock and came at `arrival_us` of ours.
# False if it came twice or too late.
func push(time_us, values, arrival_us) -> bool:
	if _clock.known:
		var ahead = time_us + _clock.offset_us - arrival_us > JUMP_US
		var back = time_us < _newest_us - JUMP_US # midnight, too
		if ahead or back or arrival_us - _heard_us > SILENCE_US:
			restarts += 1
			restart()
	_heard_us = arrival_us
	if time_us > _newest_us:
		_newest_us = time_us
	_clock.note(time_us, arrival_us)
	if _shown != null and time_us <= _shown[0]:
		if time_us == _shown[0]:
			twice += 1
		else:
			late += 1
		return false
	var at = _waiting.size()
	while at > 0 and _waiting[at - 1][0] > time_us:
		at -= 1
	if at > 0 and _waiting[at - 1][0] == time_us:
		twice += 1
		return false
	var mapped = time_us + _clock.offset_us
	var due = (mapped if mapped < arrival_us else arrival_us) + delay_us
	_waiting.insert(at, [time_us, due, values])
	if _waiting.size() > CAPACITY:
		_waiting.pop_front()
	return true


# The values to show at `now_us` of our clock; null before the first frame is due.
func face_at(now_us):
	var due = 0 # frames that are; one that is due early draws out those before it
	for i in range(_waiting.size()):
		if _waiting[i][1] <= now_us:
			due = i + 1
	for _i in range(due):
		_shown = _waiting.pop_front()
	if _shown == null:
		return null
	shown_us = _shown[0]
	if _waiting.size() == 0:
		return _shown[2]
	var next = _waiting[0]
	if next[0] - _shown[0] > GAP_US or next[1] <= _shown[1]:
		return _shown[2]
	var part = float(now_us - _shown[1]) / (next[1] - _shown[1])
	if part <= 0.0:
		return _shown[2]
	shown_us += int((next[0] - _shown[0]) * part)
	var between = []
	for i in range(_shown[2].size()):
		between.append(_shown[2][i] + (next[2][i] - _shown[2][i]) * part)
	return between
