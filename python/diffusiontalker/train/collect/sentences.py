"""Everyday English by template, for synthetic voices to read: varied in its sounds."""

from __future__ import annotations

import numpy as np

SENTENCES = 204

WHO = (
    "my brother", "the young doctor", "our neighbour", "an old sailor", "the girl next door",
    "her uncle George", "the baker", "a tall stranger", "the whole class", "your cousin Ruth",
    "the night watchman", "a clever fox", "the bus driver", "Joyce", "the judge", "his mother",
    "the choir", "nobody", "a group of children", "the woman in the yellow coat", "Vincent",
    "the shepherd", "one of the twins", "the engineer", "our teacher",
)  # fmt: skip
DID = (
    "found", "measured", "pushed aside", "brought home", "threw away", "painted", "washed",
    "borrowed", "forgot about", "laughed at", "carried", "watched", "sold", "mended", "hid",
    "chose", "weighed", "looked for", "shook", "pulled up", "enjoyed", "described", "broke",
    "asked for", "gave back",
)  # fmt: skip
WHAT = (
    "a heavy wooden box", "the blue bicycle", "three cups of tea", "the garden fence",
    "a pair of leather shoes", "the last piece of cake", "an orange umbrella", "the broken clock",
    "a bunch of yellow flowers", "the measuring jug", "some fresh bread and cheese",
    "two tickets for the show", "the oil lamp", "a bag of onions", "the new telephone",
    "a very long ladder", "the sharpest knife", "four silver spoons", "the fishing boat",
    "a letter from Egypt", "the piano", "half of the money", "a thick woollen scarf",
    "the map of the valley", "a jar of cherry jam", "the treasure",
)  # fmt: skip
WHERE = (
    "by the river", "behind the church", "in the kitchen", "at the railway station",
    "under the bridge", "on the roof", "near the village pool", "in front of the theatre",
    "at the edge of the forest", "beside the fire", "in a narrow street", "across the bay",
    "down in the cellar", "at the top of the hill", "outside the museum", "in the back of the van",
    "on the beach", "through the open window", "among the apple trees", "over there",
)  # fmt: skip
WHEN = (
    "this morning", "on Thursday", "before breakfast", "a week ago", "just after midnight",
    "in July", "while it rained", "during the power cut", "as usual", "at half past five",
    "when the bell rang", "for the first time", "without a word", "all through the winter",
    "at the end of the measure", "as the fog came in", "rather quickly", "once again",
)  # fmt: skip
FORMS = (
    "{Who} {did} {what} {where} {when}.",
    "{When}, {who} {did} {what}.",
    "Did you know that {who} {did} {what} {where}?",
    "I think {who} {did} {what}, but {who2} never said so.",
    "{Who} {did} {what}, and then {who2} {did2} {what2}.",
    "Why is {what} still {where}?",
    "Please put {what} {where}, and hurry up!",
    "If you see {what} {where}, call {who}.",
    "{Number} people say that {who} {did} {what} {when}.",
    "No, it was not {who} who {did} {what}; it was {who2}.",
    "Could you show {who} the way, or is everyone {where} already?",
    "We have only {number} minutes to get {what} from {where2}.",
)
NUMBERS = (
    "two", "three", "five", "six", "seven", "eight", "nine", "eleven", "twelve", "thirteen",
    "fifteen", "twenty", "thirty six", "forty", "fifty four", "a hundred", "a thousand",
)  # fmt: skip
PLACES = ("the shop", "the office", "the harbour", "the other room", "the garage", "school")


def sentences(voice: str) -> list[str]:
    """What a voice reads: everyday English, the same in every run, another for every voice."""
    rng = np.random.default_rng(list(voice.encode()))

    def one(words: tuple[str, ...]) -> str:
        return words[rng.integers(len(words))]

    said = []
    for index in range(SENTENCES):
        who, when, number = one(WHO), one(WHEN), one(NUMBERS)
        words = {"who": who, "Who": _capital(who), "when": when, "When": _capital(when)}
        words |= {"number": number, "Number": _capital(number)}
        words |= {"who2": one(WHO), "did": one(DID), "did2": one(DID)}
        words |= {"what": one(WHAT), "what2": one(WHAT), "where": one(WHERE), "where2": one(PLACES)}
        said.append(FORMS[index % len(FORMS)].format(**words))
    return said


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
