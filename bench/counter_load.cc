#include "bench/counter_load.h"

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "atomix/multiraft/v1/partition.grpc.pb.h"
#include "atomix/multiraft/v1/session.grpc.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "grpcpp/grpcpp.h"

namespace bench {
namespace {

namespace api = atomix::multiraft::v1;
namespace counter = atomix::multiraft::counter::v1;

// An empty set of open requests, as a driver sends it.
constexpr char kEmptyFilter[] =
    R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})";
constexpr double kSecondNs = 1e9;
constexpr int64_t kKeepAliveNs = 500'000'000;

absl::Status Failed(const std::string& what, const grpc::Status& status) {
  return absl::InternalError(absl::StrCat(what, ": code ",
                                          static_cast<int>(status.error_code()),
                                          ": ", status.error_message()));
}

class Load {
 public:
  explicit Load(const CounterLoadOptions& options) : options_(options) {}

  absl::StatusOr<CounterLoadResult> Run();

 private:
  // One request after the other.
  struct Slot {
    std::unique_ptr<grpc::ClientContext> context;
    counter::IncrementRequest request;
    counter::IncrementResponse response;
    counter::Counter::Stub* stub = nullptr;
    uint64_t sequence = 0;
    int64_t sent_ns = 0;
    Histogram latency;
    uint64_t acknowledged = 0;
    uint64_t measured = 0;
  };

  absl::Status Connect();
  absl::Status OpenSession();
  absl::Status CreateCounter();
  absl::Status KeepAlive();
  absl::StatusOr<int64_t> ReadCounter();
  std::unique_ptr<Slot> MakeSlot(int number);
  void Send(Slot& slot);
  void Done(Slot& slot, const grpc::Status& status);
  absl::Status WaitForSlots();
  uint64_t Begin() ABSL_LOCKS_EXCLUDED(mu_);
  void End(uint64_t sequence) ABSL_LOCKS_EXCLUDED(mu_);
  template <class Headers>
  void FillHeaders(Headers& headers) const;

  const CounterLoadOptions options_;
  base::Clock& clock_ = base::SystemClock();
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<counter::Counter::Stub>> stubs_;
  uint64_t session_ = 0;
  uint64_t primitive_ = 0;
  int64_t measure_from_ns_ = 0;
  int64_t stop_at_ns_ = 0;

  base::Mutex mu_;
  base::CondVar idle_;
  uint64_t next_sequence_ ABSL_GUARDED_BY(mu_) = 1;
  std::set<uint64_t> open_ ABSL_GUARDED_BY(mu_);
  int running_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mu_);
};

uint64_t Load::Begin() {
  base::MutexLock lock(mu_);
  if (!options_.echo) open_.insert(next_sequence_);
  return next_sequence_++;
}

void Load::End(uint64_t sequence) {
  if (options_.echo) return;
  base::MutexLock lock(mu_);
  open_.erase(sequence);
}

template <class Headers>
void Load::FillHeaders(Headers& headers) const {
  auto* primitive = headers.mutable_operation()->mutable_session();
  primitive->set_primitive_id(primitive_);
  primitive->mutable_session()->set_session_id(session_);
  primitive->mutable_session()->mutable_partition()->set_partition_id(
      options_.partition);
}

absl::Status Load::Connect() {
  for (int i = 0; i < options_.connections; ++i) {
    grpc::ChannelArguments arguments;
    // Otherwise equal channels share one connection.
    arguments.SetInt("bench.connection", i);
    channels_.push_back(grpc::CreateCustomChannel(
        options_.address, grpc::InsecureChannelCredentials(), arguments));
    stubs_.push_back(counter::Counter::NewStub(channels_.back()));
  }
  const gpr_timespec deadline = gpr_time_add(
      gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_seconds(10, GPR_TIMESPAN));
  if (channels_[0]->WaitForConnected(deadline)) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("nobody answers at ", options_.address));
}

absl::Status Load::OpenSession() {
  auto stub = api::Partition::NewStub(channels_[0]);
  grpc::ClientContext context;
  api::OpenSessionRequest request;
  request.mutable_headers()->set_partition_id(options_.partition);
  request.mutable_input()->mutable_timeout()->set_seconds(60);
  api::OpenSessionResponse response;
  grpc::Status status = stub->OpenSession(&context, request, &response);
  if (!status.ok()) return Failed("OpenSession", status);
  session_ = response.output().session_id();
  return absl::OkStatus();
}

absl::Status Load::CreateCounter() {
  auto stub = api::Session::NewStub(channels_[0]);
  grpc::ClientContext context;
  api::CreatePrimitiveRequest request;
  const uint64_t sequence = Begin();
  FillHeaders(*request.mutable_headers());
  request.mutable_headers()->set_sequence_num(sequence);
  auto* spec = request.mutable_input()->mutable_spec();
  spec->set_service("atomix.multiraft.counter.v1.Counter");
  spec->set_name(absl::StrCat("bench-", session_));
  api::CreatePrimitiveResponse response;
  grpc::Status status = stub->CreatePrimitive(&context, request, &response);
  if (!status.ok()) return Failed("CreatePrimitive", status);
  End(sequence);
  primitive_ = response.output().primitive_id();
  return absl::OkStatus();
}

// Lets the server forget what was answered: everything below the oldest open
// request.
absl::Status Load::KeepAlive() {
  auto stub = api::Partition::NewStub(channels_[0]);
  grpc::ClientContext context;
  api::KeepAliveRequest request;
  request.mutable_headers()->set_partition_id(options_.partition);
  auto* input = request.mutable_input();
  input->set_session_id(session_);
  input->set_input_filter(kEmptyFilter);
  {
    base::MutexLock lock(mu_);
    input->set_last_input_sequence_num(
        (open_.empty() ? next_sequence_ : *open_.begin()) - 1);
  }
  api::KeepAliveResponse response;
  grpc::Status status = stub->KeepAlive(&context, request, &response);
  return status.ok() ? absl::OkStatus() : Failed("KeepAlive", status);
}

absl::StatusOr<int64_t> Load::ReadCounter() {
  grpc::ClientContext context;
  counter::GetRequest request;
  FillHeaders(*request.mutable_headers());
  request.mutable_headers()->set_sequence_num(Begin());
  request.mutable_input();
  counter::GetResponse response;
  grpc::Status status = stubs_[0]->Get(&context, request, &response);
  if (!status.ok()) return Failed("Get", status);
  return response.output().value();
}

std::unique_ptr<Load::Slot> Load::MakeSlot(int number) {
  auto slot = std::make_unique<Slot>();
  slot->stub = stubs_[static_cast<size_t>(number) % stubs_.size()].get();
  FillHeaders(*slot->request.mutable_headers());
  slot->request.mutable_input()->set_delta(1);
  return slot;
}

void Load::Send(Slot& slot) {
  slot.context = std::make_unique<grpc::ClientContext>();
  slot.sequence = Begin();
  slot.request.mutable_headers()->set_sequence_num(slot.sequence);
  slot.sent_ns = clock_.MonotonicNanos();
  slot.stub->async()->Increment(
      slot.context.get(), &slot.request, &slot.response,
      [this, &slot](const grpc::Status& status) { Done(slot, status); });
}

void Load::Done(Slot& slot, const grpc::Status& status) {
  const int64_t now = clock_.MonotonicNanos();
  End(slot.sequence);
  const bool ok = status.ok() && slot.response.headers().operation().status() ==
                                     api::OperationResponseHeaders::OK;
  if (ok) {
    ++slot.acknowledged;
    if (slot.sent_ns >= measure_from_ns_ && now <= stop_at_ns_) {
      slot.latency.Add(static_cast<uint64_t>(now - slot.sent_ns));
      ++slot.measured;
    }
    if (now < stop_at_ns_) return Send(slot);
  }
  base::MutexLock lock(mu_);
  if (!ok && error_.ok()) error_ = Failed("Increment", status);
  if (--running_ == 0) idle_.SignalAll();
}

absl::Status Load::WaitForSlots() {
  while (true) {
    {
      base::MutexLock lock(mu_);
      if (running_ > 0) idle_.WaitFor(mu_, kKeepAliveNs);
      if (running_ == 0) return error_;
    }
    // A failed one shows again in the requests; the slots must end first.
    if (!options_.echo) KeepAlive().IgnoreError();
  }
}

absl::StatusOr<CounterLoadResult> Load::Run() {
  RETURN_IF_ERROR(Connect());
  if (!options_.echo) {
    RETURN_IF_ERROR(OpenSession());
    RETURN_IF_ERROR(CreateCounter());
  }
  measure_from_ns_ = clock_.MonotonicNanos() +
                     static_cast<int64_t>(options_.warm_up_seconds * kSecondNs);
  stop_at_ns_ =
      measure_from_ns_ + static_cast<int64_t>(options_.seconds * kSecondNs);
  std::vector<std::unique_ptr<Slot>> slots;
  for (int i = 0; i < options_.in_flight; ++i) slots.push_back(MakeSlot(i));
  {
    base::MutexLock lock(mu_);
    running_ = options_.in_flight;
  }
  for (auto& slot : slots) Send(*slot);
  RETURN_IF_ERROR(WaitForSlots());

  CounterLoadResult result;
  uint64_t measured = 0;
  for (auto& slot : slots) {
    result.latency.Merge(slot->latency);
    result.acknowledged += slot->acknowledged;
    measured += slot->measured;
  }
  result.per_second = static_cast<double>(measured) / options_.seconds;
  if (!options_.echo) {
    ASSIGN_OR_RETURN(result.final_value, ReadCounter());
  }
  return result;
}

}  // namespace

absl::StatusOr<CounterLoadResult> RunCounterLoad(
    const CounterLoadOptions& options) {
  return Load(options).Run();
}

}  // namespace bench
