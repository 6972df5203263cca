"""The folders of speech without faces that debian_speech.py makes, by name."""

#: In the order in which they are made.
FOLDER_NAMES = (
    "amazon-queen-en",
    "beneath-a-steel-sky-en",
    *(f"asterisk-core-{tongue}" for tongue in ("en", "es", "fr", "it", "ru")),
    *(f"flite-{voice}" for voice in ("awb", "rms", "slt")),
    *(f"tuxpaint-{tongue}" for tongue in ("es", "fr")),
    "warzone2100-en",
)
