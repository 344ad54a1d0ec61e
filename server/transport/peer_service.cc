#include "server/transport/peer_service.h"

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/server_callback.h>

#include <optional>
#include <string>
#include <utility>

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;

bool Parse(grpc::ByteBuffer& buffer, v1::Frame& frame) {
  grpc::ProtoBufferReader reader(&buffer);
  return reader.status().ok() && frame.ParseFromZeroCopyStream(&reader);
}

grpc::ByteBuffer BufferOf(const v1::Welcome& welcome) {
  const std::string bytes = welcome.SerializeAsString();
  grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

grpc::Status Encode(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()));
}

}  // namespace

// One stream from another node. gRPC holds it until OnDone.
class PeerService::Inbound final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit Inbound(PeerService& service) : service_(service) {}

  void Begin() {
    service_.streams_.Enter();
    if (!service_.Add(this)) {
      return End(absl::UnavailableError("the node is shutting down"));
    }
    StartRead(&in_);
  }

  // The first one counts. Waits for the write in flight.
  void End(absl::Status status) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      base::MutexLock lock(mu_);
      if (ended_) return;
      ended_ = true;
      if (writing_) {
        end_ = std::move(status);
        return;
      }
    }
    Finish(Encode(status));
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());
    v1::Frame frame;
    if (!Parse(in_, frame)) {
      service_.handler_.Malformed(sender_);
      return End(absl::InvalidArgumentError("not a frame"));
    }
    if (opened_) {
      service_.handler_.Deliver(sender_, frame);
    } else if (!Open(frame.hello())) {
      return;
    }
    StartRead(&in_);
  }

  bool Open(const v1::Hello& hello) ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::StatusOr<uint32_t> version = service_.handler_.Open(hello);
    if (!version.ok()) {
      End(version.status());
      return false;
    }
    opened_ = true;
    sender_ = {.node = base::NodeId(hello.from_node()),
               .incarnation = hello.from_incarnation(),
               .address = hello.from_address()};
    v1::Welcome welcome;
    welcome.set_version(*version);
    out_ = BufferOf(welcome);
    {
      base::MutexLock lock(mu_);
      if (ended_) return false;
      writing_ = true;
    }
    StartWrite(&out_);
    return true;
  }

  void OnWriteDone(bool) override {
    std::optional<absl::Status> end;
    {
      base::MutexLock lock(mu_);
      writing_ = false;
      end = std::exchange(end_, std::nullopt);
    }
    if (end.has_value()) Finish(Encode(*end));
  }

  void OnDone() override {
    service_.Remove(this);
    Gate& streams = service_.streams_;
    delete this;
    streams.Leave();
  }

  PeerService& service_;
  grpc::ByteBuffer in_;   // gRPC's during a read.
  grpc::ByteBuffer out_;  // gRPC's during a write.

  // Of OnReadDone, which does not overlap itself.
  bool opened_ = false;
  Remote sender_;

  base::Mutex mu_;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // After the write.
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>*
PeerService::Deliver(grpc::CallbackServerContext*) {
  auto* const stream = new Inbound(*this);
  stream->Begin();
  return stream;
}

bool PeerService::Add(Inbound* stream) {
  base::MutexLock lock(mu_);
  if (stopped_) return false;
  open_.insert(stream);
  return true;
}

void PeerService::Remove(Inbound* stream) {
  base::MutexLock lock(mu_);
  open_.erase(stream);
}

void PeerService::Stop() {
  {
    base::MutexLock lock(mu_);
    stopped_ = true;
    // None is deleted meanwhile: it would have to get past Remove.
    for (Inbound* const stream : open_) {
      stream->End(absl::UnavailableError("the node is shutting down"));
    }
  }
  streams_.WaitUntilEmpty();
}

}  // namespace server::transport
