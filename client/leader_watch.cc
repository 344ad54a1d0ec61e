#include "client/leader_watch.h"

#include <optional>
#include <utility>

#include "atomix/multiraft/v1/partition.grpc.pb.h"
#include "base/status_macros.h"
#include "client/call.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"

namespace client {
namespace {

namespace api = atomix::multiraft::v1;

class LeaderStream : public Stream<Leader> {
 public:
  LeaderStream(Connection& connection, uint32_t partition)
      : call_(connection, CallLimits()) {
    request_.set_partition_id(partition);
  }

  ~LeaderStream() override {
    if (reader_ == nullptr) return;
    Cancel();
    api::WatchPartitionResponse ignored;
    while (reader_->Read(&ignored)) {
    }
    reader_->Finish();
    call_.Abandon(absl::CancelledError("stream destroyed"));
  }

  absl::StatusOr<std::optional<Leader>> Next() override {
    while (result_.ok()) {
      if (reader_ == nullptr) {
        context_ = std::make_unique<grpc::ClientContext>();
        result_ = call_.Begin(*context_);
        if (!result_.ok()) continue;
        const auto stub = api::Partition::NewStub(call_.channel());
        reader_ = stub->Watch(context_.get(), request_);
        continue;
      }
      api::WatchPartitionResponse response;
      if (!reader_->Read(&response)) {
        const auto end = call_.End(reader_->Finish(), *context_);
        reader_ = nullptr;
        if (end.has_value()) {
          // It has no end of its own.
          result_ =
              end->ok() ? absl::CancelledError("the server ended it") : *end;
        }
        continue;
      }
      call_.Progressed();
      const Leader leader{.term = response.leader_updated().term(),
                          .leader = response.leader_updated().leader()};
      if (std::exchange(last_, leader) != leader) return leader;
    }
    return result_;
  }

  void Cancel() override {
    call_.Cancel(absl::CancelledError("the stream was cancelled"));
  }

 private:
  api::WatchPartitionRequest request_;  // Constant.

  Call call_;  // Own synchronization.

  // The thread that calls Next.
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<api::WatchPartitionResponse>> reader_;
  std::optional<Leader> last_;
  absl::Status result_;
};

}  // namespace

std::unique_ptr<Stream<Leader>> WatchLeader(Connection& connection,
                                            uint32_t partition) {
  return std::make_unique<LeaderStream>(connection, partition);
}

}  // namespace client
