#include "bench/floor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "base/clock.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "grpcpp/grpcpp.h"
#include "rocksdb/db.h"

namespace bench {
namespace {

namespace counter = atomix::multiraft::counter::v1;

class EchoServerImpl : public EchoServer,
                       public counter::Counter::CallbackService {
 public:
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
    response->mutable_headers()->set_output_sequence_num(
        request->headers().sequence_num());
    response->mutable_output()->set_value(request->input().delta());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenDatabase(
    const std::string& directory) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, directory, &db);
  if (!status.ok()) return absl::InternalError(status.ToString());
  return std::unique_ptr<rocksdb::DB>(db);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EchoServer>> EchoServer::Start() {
  auto server = std::make_unique<EchoServerImpl>();
  RETURN_IF_ERROR(server->Listen());
  return std::unique_ptr<EchoServer>(std::move(server));
}

absl::StatusOr<Histogram> MeasureSyncedBatches(const std::string& directory,
                                               int entries, double seconds) {
  ASSIGN_OR_RETURN(std::unique_ptr<rocksdb::DB> db, OpenDatabase(directory));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  base::Clock& clock = base::SystemClock();
  const int64_t stop =
      clock.MonotonicNanos() + static_cast<int64_t>(seconds * 1e9);
  const std::string value(100, 'v');
  Histogram latency;
  uint64_t index = 0;
  while (clock.MonotonicNanos() < stop) {
    rocksdb::WriteBatch batch;
    for (int i = 0; i < entries; ++i) {
      std::string key;
      base::AppendU64(key, ++index);
      batch.Put(key, value);
    }
    const int64_t start = clock.MonotonicNanos();
    rocksdb::Status status = db->Write(synced, &batch);
    if (!status.ok()) return absl::InternalError(status.ToString());
    latency.Add(static_cast<uint64_t>(clock.MonotonicNanos() - start));
  }
  return latency;
}

}  // namespace bench
