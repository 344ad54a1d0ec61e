#include "bench/floor.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "grpcpp/grpcpp.h"
#include "rocksdb/db.h"

namespace bench {
namespace {

namespace counter = atomix::multiraft::counter::v1;

absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenDatabase(
    const std::string& directory) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, directory, &db);
  if (!status.ok()) return absl::InternalError(status.ToString());
  return std::unique_ptr<rocksdb::DB>(db);
}

// Writes batches of `entries` entries of 100 bytes, each synced.
class BatchWriter {
 public:
  explicit BatchWriter(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {
    synced_.sync = true;
  }

  // Thread-safe.
  absl::Status Write(int entries) {
    rocksdb::WriteBatch batch;
    for (int i = 0; i < entries; ++i) {
      std::string key;
      base::AppendU64(key, index_.fetch_add(1, std::memory_order_relaxed));
      batch.Put(key, value_);
    }
    const rocksdb::Status status = db_->Write(synced_, &batch);
    return status.ok() ? absl::OkStatus()
                       : absl::InternalError(status.ToString());
  }

 private:
  const std::unique_ptr<rocksdb::DB> db_;
  const std::string value_ = std::string(100, 'v');
  rocksdb::WriteOptions synced_;
  std::atomic<uint64_t> index_{1};
};

class EchoServerImpl : public EchoServer,
                       public counter::Counter::CallbackService {
 public:
  // Without a writer it writes nothing.
  explicit EchoServerImpl(std::unique_ptr<BatchWriter> writer)
      : writer_(std::move(writer)) {}
  ~EchoServerImpl() override {
    if (server_ != nullptr) server_->Shutdown();
  }

  absl::Status Listen() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError("no port for the echo");
    address_ = absl::StrCat("127.0.0.1:", port);
    return absl::OkStatus();
  }

  std::string address() const override { return address_; }

 private:
  grpc::ServerUnaryReactor* Increment(
      grpc::CallbackServerContext* context,
      const counter::IncrementRequest* request,
      counter::IncrementResponse* response) override {
    if (writer_ != nullptr) CHECK(writer_->Write(1).ok());
    response->mutable_headers()->set_output_sequence_num(
        request->headers().sequence_num());
    response->mutable_output()->set_value(request->input().delta());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const std::unique_ptr<BatchWriter> writer_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EchoServer>> EchoServer::Start(
    const std::string& directory) {
  std::unique_ptr<BatchWriter> writer;
  if (!directory.empty()) {
    ASSIGN_OR_RETURN(std::unique_ptr<rocksdb::DB> db, OpenDatabase(directory));
    writer = std::make_unique<BatchWriter>(std::move(db));
  }
  auto server = std::make_unique<EchoServerImpl>(std::move(writer));
  RETURN_IF_ERROR(server->Listen());
  return std::unique_ptr<EchoServer>(std::move(server));
}

absl::StatusOr<Histogram> MeasureSyncedBatches(const std::string& directory,
                                               int entries, double seconds) {
  ASSIGN_OR_RETURN(std::unique_ptr<rocksdb::DB> db, OpenDatabase(directory));
  BatchWriter writer(std::move(db));
  base::Clock& clock = base::SystemClock();
  const int64_t stop =
      clock.MonotonicNanos() + static_cast<int64_t>(seconds * 1e9);
  Histogram latency;
  while (clock.MonotonicNanos() < stop) {
    const int64_t start = clock.MonotonicNanos();
    RETURN_IF_ERROR(writer.Write(entries));
    latency.Add(static_cast<uint64_t>(clock.MonotonicNanos() - start));
  }
  return latency;
}

}  // namespace bench
