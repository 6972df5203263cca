# Maps the sender's clock to this program's. Both count microseconds from an unknown start and drift
# by some millionths; what is seen is the arrival of each frame, late by the look-ahead, the
# computing and a delay that varies. The least (arrival - time) of the last ten seconds is the
# constant part; the map follows it slowly, so that mapped time never jumps.

const BUCKET_US = 500000
const BUCKETS = 20
# While this young, the map jumps to each new minimum: nobody has settled on it yet.
const YOUNG_US = 250000
# Afterwards it moves by at most this part of the time that passed: down fast, because only a new
# minimum calls for it, up slowly, after drift or a slower route.
const DOWN = 10
const UP = 100

var known = false
var offset_us = 0
var _first_us = 0
var _last_us = 0
var _bucket_us = 0
var _least = [] # of each half second, the newest last


func reset():
	known = false
	_least = []


# Takes note of a frame that depicts `time_us` and arrived at `arrival_us`; arrivals never go back.
func note(time_us, arrival_us):
	var seen = arrival_us - time_us
	if not known:
		known = true
		offset_us = seen
		_first_us = arrival_us
		_last_us = arrival_us
		_bucket_us = arrival_us
		_least = [seen]
		return
	if arrival_us - _bucket_us >= BUCKET_US * BUCKETS:
		_least = [seen] # a gap longer than the window
		_bucket_us = arrival_us
	while arrival_us - _bucket_us >= BUCKET_US:
		_bucket_us += BUCKET_US
		_least.append(seen)
		if _least.size() > BUCKETS:
			_least.pop_front()
	if seen < _least[-1]:
		_least[-1] = seen
	var least = _least[0]
	for each in _least:
		if each < least:
			least = each
	var passed = arrival_us - _last_us
	_last_us = arrival_us
	if least < offset_us:
		var down = offset_us - passed / DOWN
		offset_us = least if arrival_us - _first_us < YOUNG_US or least > down else down
	else:
		var up = offset_us + passed / UP
		offset_us = least if least < up else up
