#include "bench/filler.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "atomix/multiraft/map/v1/service.grpc.pb.h"
#include "atomix/multiraft/v1/partition.grpc.pb.h"
#include "atomix/multiraft/v1/session.grpc.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "grpcpp/grpcpp.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"

namespace bench {
namespace {

namespace api = atomix::multiraft::v1;
namespace admin = multiraft::admin::v1;
namespace counter = atomix::multiraft::counter::v1;
namespace map = atomix::multiraft::map::v1;

// An empty set of open requests, as a driver sends it.
constexpr char kEmptyFilter[] =
    R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})";
constexpr int64_t kKeepAliveNs = 200'000'000;

absl::Status Failed(const std::string& what, const grpc::Status& status) {
  return absl::InternalError(absl::StrCat(what, ": code ",
                                          static_cast<int>(status.error_code()),
                                          ": ", status.error_message()));
}

uint64_t Now() {
  return static_cast<uint64_t>(base::SystemClock().MonotonicNanos());
}

}  // namespace

class Filler::Impl {
 public:
  explicit Impl(const FillerOptions& options) : options_(options) {}

  absl::Status Open();

  // Sends commands until `make(n, request)`, called with n = 0, 1 ..., says
  // that there is no n-th. Thread-safe `make`.
  template <class Stub, class Request, class Response>
  absl::StatusOr<FillResult> Run(
      uint64_t primitive, const std::vector<std::unique_ptr<Stub>>& stubs,
      void (Stub::async_interface::*method)(grpc::ClientContext*,
                                            const Request*, Response*,
                                            std::function<void(grpc::Status)>),
      std::function<bool(uint64_t, Request&)> make);

  // Runs one call, a command or a query, to its end.
  template <class Stub, class Request, class Response>
  absl::Status Call(uint64_t primitive, Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    Request request, Response& response) {
    grpc::ClientContext context;
    FillHeaders(primitive, *request.mutable_headers());
    request.mutable_input();
    const uint64_t sequence = Begin();
    request.mutable_headers()->set_sequence_num(sequence);
    const grpc::Status status = (stub.*method)(&context, request, &response);
    End(sequence);
    if (!status.ok()) return Failed("request", status);
    if (response.has_output()) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("no output: ", response.headers().ShortDebugString()));
  }

  absl::StatusOr<admin::PartitionStatus> Status();

  uint64_t counter_id = 0;
  uint64_t map_id = 0;
  std::vector<std::unique_ptr<counter::Counter::Stub>> counters;
  std::vector<std::unique_ptr<map::Map::Stub>> maps;

 private:
  absl::StatusOr<uint64_t> Create(const std::string& type,
                                  const std::string& name);
  absl::Status KeepAlive();

  uint64_t Begin() {
    base::MutexLock lock(mu_);
    open_.insert(next_sequence_);
    return next_sequence_++;
  }
  void End(uint64_t sequence) {
    base::MutexLock lock(mu_);
    open_.erase(sequence);
  }

  template <class Headers>
  void FillHeaders(uint64_t primitive_id, Headers& headers) const {
    auto* primitive = headers.mutable_operation()->mutable_session();
    primitive->set_primitive_id(primitive_id);
    primitive->mutable_session()->set_session_id(session_);
    primitive->mutable_session()->mutable_partition()->set_partition_id(1);
  }

  const FillerOptions options_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  uint64_t session_ = 0;

  base::Mutex mu_;
  uint64_t next_sequence_ ABSL_GUARDED_BY(mu_) = 1;
  std::set<uint64_t> open_ ABSL_GUARDED_BY(mu_);
};

absl::Status Filler::Impl::Open() {
  for (int i = 0; i < options_.connections; ++i) {
    grpc::ChannelArguments arguments;
    // Otherwise equal channels share one connection.
    arguments.SetInt("bench.connection", i);
    channels_.push_back(grpc::CreateCustomChannel(
        options_.address, grpc::InsecureChannelCredentials(), arguments));
    counters.push_back(counter::Counter::NewStub(channels_.back()));
    maps.push_back(map::Map::NewStub(channels_.back()));
  }
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  api::OpenSessionRequest request;
  request.mutable_headers()->set_partition_id(1);
  request.mutable_input()->mutable_timeout()->set_seconds(60);
  api::OpenSessionResponse response;
  const grpc::Status status = api::Partition::NewStub(channels_[0])
                                  ->OpenSession(&context, request, &response);
  if (!status.ok()) return Failed("OpenSession", status);
  session_ = response.output().session_id();
  ASSIGN_OR_RETURN(counter_id, Create("atomix.runtime.counter.v1.Counter",
                                      "restart-counter"));
  ASSIGN_OR_RETURN(map_id, Create("atomix.runtime.map.v1.Map", "restart-map"));
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Filler::Impl::Create(const std::string& type,
                                              const std::string& name) {
  api::CreatePrimitiveRequest request;
  request.mutable_input()->mutable_spec()->set_service(type);
  request.mutable_input()->mutable_spec()->set_name(name);
  api::CreatePrimitiveResponse response;
  auto stub = api::Session::NewStub(channels_[0]);
  RETURN_IF_ERROR(
      Call(0, *stub, &api::Session::Stub::CreatePrimitive, request, response));
  return response.output().primitive_id();
}

// Lets the server forget what was answered: everything below the oldest open
// request.
absl::Status Filler::Impl::KeepAlive() {
  grpc::ClientContext context;
  api::KeepAliveRequest request;
  request.mutable_headers()->set_partition_id(1);
  auto* input = request.mutable_input();
  input->set_session_id(session_);
  input->set_input_filter(kEmptyFilter);
  {
    base::MutexLock lock(mu_);
    input->set_last_input_sequence_num(
        (open_.empty() ? next_sequence_ : *open_.begin()) - 1);
  }
  api::KeepAliveResponse response;
  const grpc::Status status = api::Partition::NewStub(channels_[0])
                                  ->KeepAlive(&context, request, &response);
  return status.ok() ? absl::OkStatus() : Failed("KeepAlive", status);
}

absl::StatusOr<admin::PartitionStatus> Filler::Impl::Status() {
  grpc::ClientContext context;
  admin::StatusResponse response;
  const grpc::Status status =
      admin::Admin::NewStub(channels_[0])->Status(&context, {}, &response);
  if (!status.ok()) return Failed("Admin.Status", status);
  if (response.partitions().empty()) {
    return absl::InternalError("Admin.Status names no partition");
  }
  return response.partitions(0);
}

template <class Stub, class Request, class Response>
absl::StatusOr<FillResult> Filler::Impl::Run(
    uint64_t primitive, const std::vector<std::unique_ptr<Stub>>& stubs,
    void (Stub::async_interface::*method)(grpc::ClientContext*, const Request*,
                                          Response*,
                                          std::function<void(grpc::Status)>),
    std::function<bool(uint64_t, Request&)> make) {
  // One request after the other.
  struct Slot {
    std::unique_ptr<grpc::ClientContext> context;
    Request request;
    Response response;
    Stub* stub = nullptr;
    uint64_t sequence = 0;
    uint64_t sent_ns = 0;
    Histogram latency;
    uint64_t longest_ns = 0;
    uint64_t acknowledged = 0;
  };
  struct Shared {
    std::atomic<uint64_t> next{0};
    std::atomic<uint64_t> last_answer_ns{0};
    std::atomic<uint64_t> longest_gap_ns{0};
    base::Mutex mu;
    base::CondVar idle;
    int running ABSL_GUARDED_BY(mu) = 0;
    absl::Status error ABSL_GUARDED_BY(mu);
  } shared;

  std::function<void(Slot&)> send;
  const auto end = [&](absl::Status status) {
    base::MutexLock lock(shared.mu);
    if (shared.error.ok()) shared.error = std::move(status);
    if (--shared.running == 0) shared.idle.SignalAll();
  };
  const auto done = [&](Slot& slot, const grpc::Status& status) {
    const uint64_t now = Now();
    End(slot.sequence);
    if (!status.ok() || !slot.response.has_output()) {
      return end(absl::InternalError(
          absl::StrCat("command: ", status.error_message(),
                       slot.response.headers().ShortDebugString())));
    }
    const uint64_t last = shared.last_answer_ns.exchange(now);
    if (now > last && now - last > shared.longest_gap_ns.load()) {
      shared.longest_gap_ns.store(now - last);
    }
    ++slot.acknowledged;
    slot.latency.Add(now - slot.sent_ns);
    slot.longest_ns = std::max(slot.longest_ns, now - slot.sent_ns);
    send(slot);
  };
  send = [&](Slot& slot) {
    if (!make(shared.next.fetch_add(1), slot.request)) {
      return end(absl::OkStatus());
    }
    slot.context = std::make_unique<grpc::ClientContext>();
    slot.sequence = Begin();
    slot.request.mutable_headers()->set_sequence_num(slot.sequence);
    slot.response.Clear();
    slot.sent_ns = Now();
    (slot.stub->async()->*method)(
        slot.context.get(), &slot.request, &slot.response,
        [&done, &slot](grpc::Status status) { done(slot, status); });
  };

  const uint64_t start = Now();
  shared.last_answer_ns = start;
  {
    base::MutexLock lock(shared.mu);
    shared.running = options_.in_flight;
  }
  std::vector<std::unique_ptr<Slot>> slots;
  for (int i = 0; i < options_.in_flight; ++i) {
    slots.push_back(std::make_unique<Slot>());
    slots.back()->stub = stubs[static_cast<size_t>(i) % stubs.size()].get();
    FillHeaders(primitive, *slots.back()->request.mutable_headers());
  }
  for (auto& slot : slots) send(*slot);
  while (true) {
    {
      base::MutexLock lock(shared.mu);
      if (shared.running > 0) shared.idle.WaitFor(shared.mu, kKeepAliveNs);
      if (shared.running == 0) break;
    }
    // A failed one shows again in the requests; the slots must end first.
    KeepAlive().IgnoreError();
  }
  FillResult result;
  result.seconds = static_cast<double>(Now() - start) / 1e9;
  {
    base::MutexLock lock(shared.mu);
    RETURN_IF_ERROR(shared.error);
  }
  RETURN_IF_ERROR(KeepAlive());
  result.longest_gap_ns = shared.longest_gap_ns.load();
  for (auto& slot : slots) {
    result.acknowledged += slot->acknowledged;
    result.latency.Merge(slot->latency);
    result.longest_ns = std::max(result.longest_ns, slot->longest_ns);
  }
  return result;
}

Filler::Filler(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Filler::~Filler() = default;

absl::StatusOr<std::unique_ptr<Filler>> Filler::Open(
    const FillerOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<Filler>(new Filler(std::move(impl)));
}

absl::StatusOr<FillResult> Filler::Increment(uint64_t count) {
  using Request = counter::IncrementRequest;
  return impl_
      ->Run<counter::Counter::Stub, Request, counter::IncrementResponse>(
          impl_->counter_id, impl_->counters,
          &counter::Counter::Stub::async_interface::Increment,
          [count](uint64_t n, Request& request) {
            request.mutable_input()->set_delta(1);
            return n < count;
          });
}

absl::StatusOr<FillResult> Filler::Put(uint64_t from, uint64_t count,
                                       uint64_t rows, size_t value_bytes) {
  using Request = map::PutRequest;
  return impl_->Run<map::Map::Stub, Request, map::PutResponse>(
      impl_->map_id, impl_->maps, &map::Map::Stub::async_interface::Put,
      [=](uint64_t n, Request& request) {
        const uint64_t row = (from + n) % rows;
        request.mutable_input()->set_key(KeyOf(row));
        request.mutable_input()->set_value(ValueOf(row, value_bytes));
        return n < count;
      });
}

absl::StatusOr<FillResult> Filler::PutFor(double seconds, uint64_t rows,
                                          size_t value_bytes) {
  using Request = map::PutRequest;
  const uint64_t until = Now() + static_cast<uint64_t>(seconds * 1e9);
  return impl_->Run<map::Map::Stub, Request, map::PutResponse>(
      impl_->map_id, impl_->maps, &map::Map::Stub::async_interface::Put,
      [=](uint64_t n, Request& request) {
        // A large odd stride: spread over all rows, as real writes are.
        const uint64_t row = n * 7'919 % rows;
        request.mutable_input()->set_key(KeyOf(row));
        request.mutable_input()->set_value(ValueOf(row, value_bytes));
        return Now() < until;
      });
}

absl::StatusOr<int64_t> Filler::ReadCounter() {
  counter::GetResponse response;
  RETURN_IF_ERROR(impl_->Call(impl_->counter_id, *impl_->counters[0],
                              &counter::Counter::Stub::Get,
                              counter::GetRequest(), response));
  return response.output().value();
}

absl::StatusOr<uint64_t> Filler::MapSize() {
  map::SizeResponse response;
  RETURN_IF_ERROR(impl_->Call(impl_->map_id, *impl_->maps[0],
                              &map::Map::Stub::Size, map::SizeRequest(),
                              response));
  return response.output().size();
}

absl::StatusOr<std::string> Filler::Get(uint64_t row) {
  map::GetRequest request;
  request.mutable_input()->set_key(KeyOf(row));
  map::GetResponse response;
  RETURN_IF_ERROR(impl_->Call(impl_->map_id, *impl_->maps[0],
                              &map::Map::Stub::Get, request, response));
  return response.output().value().value();
}

absl::StatusOr<admin::PartitionStatus> Filler::Status() {
  return impl_->Status();
}

std::string Filler::KeyOf(uint64_t row) { return absl::StrCat("row-", row); }

std::string Filler::ValueOf(uint64_t row, size_t bytes) {
  std::string value = KeyOf(row);
  value.resize(std::max(bytes, value.size()), '.');
  return value;
}

}  // namespace bench
