#include "border.h"

#include <algorithm>

namespace {

// Of the text, as many bytes as fit, without a torn character of UTF-8.
std::size_t whole_characters(std::string_view text, std::size_t most) {
  if (text.size() <= most) {
    return text.size();
  }
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return end;
}

dt_code code_of(dt::Refusal::Kind kind) {
  switch (kind) {
    case dt::Refusal::Kind::kArgument:
      return DT_INVALID_ARGUMENT;
    case dt::Refusal::Kind::kState:
      return DT_ENDED;
    case dt::Refusal::Kind::kNotFound:
      return DT_NOT_FOUND;
    case dt::Refusal::Kind::kNewer:
      return DT_NEWER_VERSION;
    case dt::Refusal::Kind::kDamaged:
      return DT_BAD_BUNDLE;
    default:
      return DT_INTERNAL;
  }
}

}  // namespace

dt_code dt_c::fail(dt_error* error, dt_code code, std::string_view text) {
  if (error != nullptr) {
    error->code = code;
    const std::size_t count = whole_characters(text, DT_ERROR_BYTES - 1);
    std::copy_n(text.data(), count, error->text);
    error->text[count] = '\0';
  }
  return code;
}

dt_code dt_c::fail(dt_error* error, const dt::Refusal& refusal) {
  return fail(error, code_of(refusal.kind), refusal.text);
}

dt_code dt_c::done(dt_error* error) {
  if (error != nullptr) {
    error->code = DT_OK;
    error->text[0] = '\0';
  }
  return DT_OK;
}

dt_code dt_c::bad_handle(dt_error* error, const char* what, bool null) {
  return guarded(error, [&] {
    return fail(error, DT_BAD_HANDLE,
                std::string(what) + (null ? ": expected a handle, got NULL"
                                          : ": the handle is of another kind, or was closed"));
  });
}

dt_code dt_c::check_size(const char* what, const void* given, std::uint32_t size, std::uint32_t own,
                         dt_error* error) {
  const std::string name = what;
  if (given == nullptr) {
    return fail(error, DT_INVALID_ARGUMENT, name + ": expected a struct, got NULL");
  }
  if (size > own) {
    return fail(error, DT_NEWER_VERSION,
                name + ".struct_size: expected at most " + std::to_string(own) + ", got " +
                    std::to_string(size) + "; the caller's dt.h is newer than the library (" +
                    dt_version() + "), or " + what + " was not initialised");
  }
  if (size < sizeof(std::uint32_t)) {
    return fail(error, DT_INVALID_ARGUMENT,
                name + ".struct_size: got " + std::to_string(size) + "; call its init first");
  }
  return DT_OK;
}

extern "C" {

const char* dt_code_name(dt_code code) {
  switch (code) {
    case DT_OK:
      return "ok";
    case DT_INVALID_ARGUMENT:
      return "invalid argument";
    case DT_BAD_HANDLE:
      return "bad handle";
    case DT_NOT_FOUND:
      return "not found";
    case DT_BAD_BUNDLE:
      return "bad bundle";
    case DT_NEWER_VERSION:
      return "newer version";
    case DT_ENDED:
      return "ended";
    case DT_TOO_SMALL:
      return "too small";
    case DT_BUSY:
      return "busy";
    case DT_OUT_OF_MEMORY:
      return "out of memory";
    case DT_INTERNAL:
      return "internal";
    default:
      return "unknown code";
  }
}

const char* dt_version(void) { return DT_VERSION; }

}  // extern "C"
