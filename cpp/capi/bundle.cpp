#include <cstddef>

#include "border.h"

namespace {

using dt_c::done;
using dt_c::fail;
using dt_c::is_good;

// Opens by `open`, which returns a bundle or a refusal.
template <typename Open>
dt_code open_bundle(dt_bundle** bundle, dt_error* error, Open&& open) {
  if (bundle == nullptr) {
    return fail(error, DT_INVALID_ARGUMENT, "bundle: expected a place for the handle, got NULL");
  }
  *bundle = nullptr;
  return dt_c::guarded(error, [&]() -> dt_code {
    dt::MaybeRefusal refusal;
    const std::shared_ptr<const dt::Bundle> opened = open(&refusal);
    if (opened == nullptr) {
      return fail(error, *refusal);
    }
    auto handle = std::make_unique<dt_bundle>();
    handle->bundle = opened;
    *bundle = handle.release();
    return done(error);
  });
}

const char* text_or_null(const dt_bundle* bundle, const std::string& (dt::Bundle::*text)() const) {
  return is_good(bundle) ? ((*bundle->bundle).*text)().c_str() : nullptr;
}

const char* name_or_null(const std::vector<std::string>& names, std::int32_t index) {
  return index >= 0 && static_cast<std::size_t>(index) < names.size()
             ? names[static_cast<std::size_t>(index)].c_str()
             : nullptr;
}

}  // namespace

extern "C" {

int32_t dt_bundle_format_version(void) {
  return static_cast<std::int32_t>(dt::Bundle::kFormatVersion);
}

dt_code dt_bundle_open(const char* path, dt_bundle** bundle, dt_error* error) {
  return open_bundle(bundle, error, [&](dt::MaybeRefusal* refusal) {
    if (path == nullptr || *path == '\0') {
      *refusal = dt::Refusal{dt::Refusal::Kind::kArgument, "path: expected a folder or a file"};
      return std::shared_ptr<const dt::Bundle>();
    }
    return dt::Bundle::open(path, refusal);
  });
}

dt_code dt_bundle_open_memory(const void* bytes, size_t count, dt_bundle** bundle,
                              dt_error* error) {
  return open_bundle(bundle, error, [&](dt::MaybeRefusal* refusal) {
    if (bytes == nullptr) {
      *refusal = dt::Refusal{dt::Refusal::Kind::kArgument, "bytes: expected a bundle, got NULL"};
      return std::shared_ptr<const dt::Bundle>();
    }
    return dt::Bundle::open_memory(bytes, count, refusal);
  });
}

void dt_bundle_close(dt_bundle** bundle) {
  if (bundle == nullptr || !is_good(*bundle)) {
    return;
  }
  (*bundle)->magic = 0;
  delete *bundle;
  *bundle = nullptr;
}

void dt_bundle_info_init(dt_bundle_info* info) {
  if (info != nullptr) {
    *info = dt_bundle_info{};
    info->struct_size = sizeof *info;
  }
}

dt_code dt_bundle_get_info(const dt_bundle* bundle, dt_bundle_info* info, dt_error* error) {
  if (!is_good(bundle)) {
    return dt_c::bad_handle(error, "bundle", bundle == nullptr);
  }
  return dt_c::guarded(error, [&]() -> dt_code {
    const dt::Bundle& b = *bundle->bundle;
    const dt::ModelConfig& c = b.config();
    dt_bundle_info own{};
    own.format_version = static_cast<std::int32_t>(b.format_version());
    own.curves = static_cast<std::int32_t>(c.curves.size());
    own.identities = static_cast<std::int32_t>(b.identities().size());
    own.frame_rate_num = static_cast<std::int32_t>(c.frame_rate_num);
    own.frame_rate_den = static_cast<std::int32_t>(c.frame_rate_den);
    own.lookahead_samples = static_cast<std::int32_t>(
        dt::TimeBase(c.frame_rate_num, c.frame_rate_den, c.lookahead_columns).lookahead_samples());
    own.default_identity = static_cast<std::int32_t>(c.default_identity);
    const dt_code code = dt_c::write_struct("info", own, info, error);
    return code == DT_OK ? done(error) : code;
  });
}

const char* dt_curve_name(const dt_bundle* bundle, int32_t curve) {
  return is_good(bundle) ? name_or_null(bundle->bundle->config().curves, curve) : nullptr;
}

const char* dt_identity_name(const dt_bundle* bundle, int32_t identity) {
  return is_good(bundle) ? name_or_null(bundle->bundle->identities(), identity) : nullptr;
}

const char* dt_bundle_name(const dt_bundle* bundle) {
  return text_or_null(bundle, &dt::Bundle::name);
}
const char* dt_bundle_sha256(const dt_bundle* bundle) {
  return text_or_null(bundle, &dt::Bundle::sha256);
}
const char* dt_bundle_licences(const dt_bundle* bundle) {
  return text_or_null(bundle, &dt::Bundle::licences);
}
const char* dt_bundle_manifest(const dt_bundle* bundle) {
  return text_or_null(bundle, &dt::Bundle::manifest);
}

}  // extern "C"
