#include "Modules/ModuleManager.h"

// Nothing to start or stop: Live Link finds the factory by its class.
IMPLEMENT_MODULE(FDefaultModuleImpl, DiffusionTalkerLiveLink)
