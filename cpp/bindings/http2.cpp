// The server's end of an HTTP/2 connection that carries gRPC, as Python module _http2. nghttp2
// keeps the protocol; sockets are the caller's. Calls and messages go in and out by a call's
// number.
#include <nghttp2/nghttp2.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace {

// Each message of gRPC has a byte that says whether it is compressed, and four of its length.
constexpr std::size_t kPrefixBytes = 5;
// Of a request's headers, names and values.
constexpr std::size_t kMostHeaderBytes = 16384;
// Taken out at a time; what is left waits for the socket.
constexpr std::size_t kMostOutgoingBytes = 1 << 20;

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Call {
  Fields headers;
  std::size_t header_bytes = 0;
  std::string partial;  // of a message that comes
  std::string out;      // messages that go, from `sent` on
  std::size_t sent = 0;
  bool waits = false;   // for messages to send
  bool broken = false;  // what came is no gRPC
  bool ends = false;
  Fields trailers;

  std::size_t queued() const { return out.size() - sent; }
};

// What came: nothing of Python is touched while nghttp2 calls back.
struct Event {
  const char* kind;
  std::int32_t call;
  std::string bytes;
  std::size_t number = 0;
  Fields headers = {};

  py::tuple told() const {
    if (!headers.empty()) {
      py::list fields;
      for (const auto& field : headers) {
        fields.append(py::make_tuple(py::bytes(field.first), py::bytes(field.second)));
      }
      return py::make_tuple(kind, call, fields);
    }
    if (std::strcmp(kind, "message") == 0) {
      return py::make_tuple(kind, call, py::bytes(bytes));
    }
    return py::make_tuple(kind, call, number);
  }
};

std::vector<nghttp2_nv> pairs_of(const Fields& fields) {
  std::vector<nghttp2_nv> pairs;
  for (const auto& field : fields) {
    // nghttp2 copies them and takes no const.
    pairs.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(field.first.data())),
                     reinterpret_cast<std::uint8_t*>(const_cast<char*>(field.second.data())),
                     field.first.size(), field.second.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return pairs;
}

class Connection {
 public:
  Connection(std::uint32_t most_calls, std::uint32_t window_bytes, std::size_t most_message_bytes)
      : most_message_bytes_(most_message_bytes) {
    nghttp2_session_callbacks* callbacks = nullptr;
    check(nghttp2_session_callbacks_new(&callbacks));
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    const int made = nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    check(made);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most_calls},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMostHeaderBytes}};
    check(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 3));
    check(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                static_cast<std::int32_t>(16 * window_bytes)));
  }
  ~Connection() { nghttp2_session_del(session_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // What bytes from the socket bring: a list of (kind, call, what).
  py::list receive(const py::buffer& data) {
    const py::buffer_info info = data.request();
    events_.clear();
    const auto count = static_cast<std::size_t>(info.size * info.itemsize);
    const ssize_t taken =
        nghttp2_session_mem_recv(session_, static_cast<const std::uint8_t*>(info.ptr), count);
    if (taken < 0) {
      throw std::runtime_error(nghttp2_strerror(static_cast<int>(taken)));
    }
    py::list told(events_.size());
    for (std::size_t i = 0; i < events_.size(); ++i) {
      told[i] = events_[i].told();
    }
    return told;
  }

  // What the socket gets; no more than about a megabyte at a time.
  py::bytes outgoing() {
    buffer_.clear();
    while (buffer_.size() < kMostOutgoingBytes) {
      const std::uint8_t* data = nullptr;
      const ssize_t count = nghttp2_session_mem_send(session_, &data);
      if (count < 0) {
        throw std::runtime_error(nghttp2_strerror(static_cast<int>(count)));
      }
      if (count == 0) {
        break;
      }
      buffer_.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(count));
    }
    return py::bytes(buffer_);
  }

  // The answer's headers; messages follow them.
  void answer(std::int32_t number, const Fields& headers) {
    if (call(number) != nullptr) {
      nghttp2_data_provider provider{};
      provider.read_callback = read;
      const std::vector<nghttp2_nv> pairs = pairs_of(headers);
      check(nghttp2_submit_response(session_, number, pairs.data(), pairs.size(), &provider));
    }
  }

  // Messages to send; a call that is over takes none.
  void send(std::int32_t number, const std::vector<py::bytes>& messages) {
    Call* to = call(number);
    if (to == nullptr || to->ends) {
      return;
    }
    for (const py::bytes& message : messages) {
      char* data = nullptr;
      py::ssize_t size = 0;
      if (PyBytes_AsStringAndSize(message.ptr(), &data, &size) != 0) {
        throw py::error_already_set();
      }
      const auto length = static_cast<std::uint32_t>(size);
      const char prefix[kPrefixBytes] = {0, static_cast<char>(length >> 24),
                                         static_cast<char>(length >> 16),
                                         static_cast<char>(length >> 8), static_cast<char>(length)};
      to->out.append(prefix, kPrefixBytes);
      to->out.append(data, static_cast<std::size_t>(size));
    }
    resume(number, to);
  }

  // The call is over when what waits has gone, with these trailers.
  void end(std::int32_t number, const Fields& trailers) {
    Call* of = call(number);
    if (of != nullptr && !of->ends) {
      of->ends = true;
      of->trailers = trailers;
      resume(number, of);
    }
  }

  void reset(std::int32_t number, std::uint32_t error) {
    if (call(number) != nullptr) {
      check(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, number, error));
    }
  }

  // Bytes of messages that wait for the client to read.
  std::size_t queued(std::int32_t number) {
    const Call* of = call(number);
    return of == nullptr ? 0 : of->queued();
  }

  void ping() { check(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr)); }

  // No more calls are taken; those that are here may end.
  void leave() {
    check(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                                nullptr, 0));
  }

  bool alive() const {
    return nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0;
  }

 private:
  static void check(int result) {
    if (result == NGHTTP2_ERR_NOMEM) {
      throw std::bad_alloc();
    }
    if (result != 0) {
      throw std::runtime_error(nghttp2_strerror(result));
    }
  }

  static Connection* self(void* user) { return static_cast<Connection*>(user); }

  Call* call(std::int32_t number) {
    const auto found = calls_.find(number);
    return found == calls_.end() ? nullptr : &found->second;
  }

  void resume(std::int32_t number, Call* of) {
    if (of->waits) {
      of->waits = false;
      check(nghttp2_session_resume_data(session_, number));
    }
  }

  static bool is_request(const nghttp2_frame* frame) {
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  }

  static int on_begin_headers(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                              void* user) noexcept {
    if (is_request(frame)) {
      self(user)->calls_[frame->hd.stream_id];
    }
    return 0;
  }

  static int on_header(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_bytes, const std::uint8_t* value,
                       std::size_t value_bytes, std::uint8_t /*flags*/, void* user) noexcept {
    Call* of = self(user)->call(frame->hd.stream_id);
    if (of == nullptr || !is_request(frame)) {
      return 0;
    }
    of->header_bytes += name_bytes + value_bytes;
    if (of->header_bytes > kMostHeaderBytes) {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // resets the call
    }
    of->headers.emplace_back(std::string(reinterpret_cast<const char*>(name), name_bytes),
                             std::string(reinterpret_cast<const char*>(value), value_bytes));
    return 0;
  }

  static int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                      void* user) noexcept {
    const std::int32_t number = frame->hd.stream_id;
    Call* of = self(user)->call(number);
    if (of == nullptr) {
      return 0;
    }
    if (is_request(frame)) {
      self(user)->events_.push_back({"call", number, {}, 0, std::move(of->headers)});
    }
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      self(user)->events_.push_back({"end", number, {}});
    }
    return 0;
  }

  static int on_data(nghttp2_session* /*session*/, std::uint8_t /*flags*/, std::int32_t number,
                     const std::uint8_t* data, std::size_t count, void* user) noexcept {
    Call* of = self(user)->call(number);
    if (of != nullptr && !of->broken) {
      self(user)->take(number, of, reinterpret_cast<const char*>(data), count);
    }
    return 0;
  }

  // Whole messages are told; the beginning of the next is kept.
  void take(std::int32_t number, Call* of, const char* data, std::size_t count) {
    const bool joined = !of->partial.empty();
    if (joined) {
      of->partial.append(data, count);
      data = of->partial.data();
      count = of->partial.size();
    }
    std::size_t at = 0;
    while (count - at >= kPrefixBytes) {
      std::size_t length = 0;
      for (std::size_t i = 1; i < kPrefixBytes; ++i) {
        length = length << 8 | static_cast<std::uint8_t>(data[at + i]);
      }
      if (data[at] != 0 || length > most_message_bytes_) {
        events_.push_back({data[at] != 0 ? "compressed" : "too_long", number, {}, length});
        of->broken = true;
        at = count;
        break;
      }
      if (count - at - kPrefixBytes < length) {
        break;
      }
      events_.push_back({"message", number, std::string(data + at + kPrefixBytes, length)});
      at += kPrefixBytes + length;
    }
    if (joined) {
      of->partial.erase(0, at);
    } else {
      of->partial.assign(data + at, count - at);
    }
  }

  static int on_close(nghttp2_session* /*session*/, std::int32_t number, std::uint32_t error,
                      void* user) noexcept {
    if (self(user)->calls_.erase(number) > 0) {
      self(user)->events_.push_back({"closed", number, {}, error});
    }
    return 0;
  }

  static ssize_t read(nghttp2_session* session, std::int32_t number, std::uint8_t* out,
                      std::size_t room, std::uint32_t* flags, nghttp2_data_source* /*source*/,
                      void* user) noexcept {
    Call* of = self(user)->call(number);
    if (of == nullptr) {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    const std::size_t count = std::min(of->queued(), room);
    if (count == 0 && !of->ends) {
      of->waits = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    std::memcpy(out, of->out.data() + of->sent, count);
    of->sent += count;
    if (of->queued() == 0) {
      of->out.clear();
      of->sent = 0;
      if (of->ends) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::vector<nghttp2_nv> pairs = pairs_of(of->trailers);
        if (nghttp2_submit_trailer(session, number, pairs.data(), pairs.size()) != 0) {
          return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
      }
    }
    return static_cast<ssize_t>(count);
  }

  nghttp2_session* session_ = nullptr;
  std::size_t most_message_bytes_;
  std::map<std::int32_t, Call> calls_;
  std::vector<Event> events_;
  std::string buffer_;
};

}  // namespace

PYBIND11_MODULE(_http2, m) {
  m.doc() =
      "The server's end of an HTTP/2 connection that carries gRPC; nghttp2 keeps the protocol.";
  m.attr("NGHTTP2_VERSION") = nghttp2_version(0)->version_str;
  py::class_<Connection>(m, "Connection")
      .def(py::init<std::uint32_t, std::uint32_t, std::size_t>(), py::kw_only(),
           py::arg("most_calls"), py::arg("window_bytes"), py::arg("most_message_bytes"))
      .def("receive", &Connection::receive, py::arg("data"))
      .def("outgoing", &Connection::outgoing)
      .def("answer", &Connection::answer, py::arg("call"), py::arg("headers"))
      .def("send", &Connection::send, py::arg("call"), py::arg("messages"))
      .def("end", &Connection::end, py::arg("call"), py::arg("trailers"))
      .def("reset", &Connection::reset, py::arg("call"), py::arg("error"))
      .def("queued", &Connection::queued, py::arg("call"))
      .def("ping", &Connection::ping)
      .def("leave", &Connection::leave)
      .def_property_readonly("alive", &Connection::alive);
}
