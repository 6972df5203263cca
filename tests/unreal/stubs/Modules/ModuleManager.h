#pragma once

class FDefaultModuleImpl {};

#define IMPLEMENT_MODULE(Class, Name)   \
  extern "C" void* StartModule##Name(); \
  extern "C" void* StartModule##Name() { return new Class; }
