// The voices of this module's sources, for the components that play them.
#pragma once

#include "dt/face/voices.h"

dt::Voices& DiffusionTalkerVoices();
