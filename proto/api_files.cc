#include "proto/api_files.h"

#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "atomix/multiraft/counter/v1/config.pb.h"
#include "atomix/multiraft/counter/v1/fsm.pb.h"
#include "atomix/multiraft/counter/v1/service.pb.h"
#include "atomix/multiraft/countermap/v1/config.pb.h"
#include "atomix/multiraft/countermap/v1/fsm.pb.h"
#include "atomix/multiraft/countermap/v1/service.pb.h"
#include "atomix/multiraft/election/v1/config.pb.h"
#include "atomix/multiraft/election/v1/fsm.pb.h"
#include "atomix/multiraft/election/v1/service.pb.h"
#include "atomix/multiraft/indexedmap/v1/config.pb.h"
#include "atomix/multiraft/indexedmap/v1/fsm.pb.h"
#include "atomix/multiraft/indexedmap/v1/service.pb.h"
#include "atomix/multiraft/list/v1/config.pb.h"
#include "atomix/multiraft/list/v1/fsm.pb.h"
#include "atomix/multiraft/list/v1/service.pb.h"
#include "atomix/multiraft/lock/v1/config.pb.h"
#include "atomix/multiraft/lock/v1/fsm.pb.h"
#include "atomix/multiraft/lock/v1/service.pb.h"
#include "atomix/multiraft/map/v1/config.pb.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "atomix/multiraft/map/v1/service.pb.h"
#include "atomix/multiraft/multimap/v1/config.pb.h"
#include "atomix/multiraft/multimap/v1/fsm.pb.h"
#include "atomix/multiraft/multimap/v1/service.pb.h"
#include "atomix/multiraft/set/v1/config.pb.h"
#include "atomix/multiraft/set/v1/fsm.pb.h"
#include "atomix/multiraft/set/v1/service.pb.h"
#include "atomix/multiraft/v1/config.pb.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "atomix/multiraft/v1/headers.pb.h"
#include "atomix/multiraft/v1/node.pb.h"
#include "atomix/multiraft/v1/partition.pb.h"
#include "atomix/multiraft/v1/session.pb.h"
#include "atomix/multiraft/value/v1/config.pb.h"
#include "atomix/multiraft/value/v1/fsm.pb.h"
#include "atomix/multiraft/value/v1/service.pb.h"
#include "atomix/protocols/rsm/counter/v1/fsm.pb.h"
#include "atomix/protocols/rsm/counter/v1/service.pb.h"
#include "atomix/protocols/rsm/countermap/v1/fsm.pb.h"
#include "atomix/protocols/rsm/countermap/v1/service.pb.h"
#include "atomix/protocols/rsm/election/v1/fsm.pb.h"
#include "atomix/protocols/rsm/election/v1/service.pb.h"
#include "atomix/protocols/rsm/indexedmap/v1/fsm.pb.h"
#include "atomix/protocols/rsm/indexedmap/v1/service.pb.h"
#include "atomix/protocols/rsm/lock/v1/fsm.pb.h"
#include "atomix/protocols/rsm/lock/v1/service.pb.h"
#include "atomix/protocols/rsm/map/v1/fsm.pb.h"
#include "atomix/protocols/rsm/map/v1/service.pb.h"
#include "atomix/protocols/rsm/multimap/v1/fsm.pb.h"
#include "atomix/protocols/rsm/multimap/v1/service.pb.h"
#include "atomix/protocols/rsm/set/v1/fsm.pb.h"
#include "atomix/protocols/rsm/set/v1/service.pb.h"
#include "atomix/protocols/rsm/v1/fsm.pb.h"
#include "atomix/protocols/rsm/v1/headers.pb.h"
#include "atomix/protocols/rsm/v1/partition.pb.h"
#include "atomix/protocols/rsm/v1/session.pb.h"
#include "atomix/protocols/rsm/value/v1/fsm.pb.h"
#include "atomix/protocols/rsm/value/v1/service.pb.h"
#include "atomix/stores/raft/v1/event.pb.h"
#include "atomix/stores/raft/v1/node.pb.h"
#include "google/protobuf/descriptor.h"
#include "grpc/health/v1/health.pb.h"

namespace proto {
namespace {

namespace mr = atomix::multiraft;
namespace rsm = atomix::protocols::rsm;

// The file that declares the message.
template <typename Message>
const google::protobuf::FileDescriptor* FileOf() {
  return Message::descriptor()->file();
}

}  // namespace

std::vector<const google::protobuf::FileDescriptor*> ApiFiles() {
  return {
      FileOf<mr::v1::MultiRaftConfig>(),
      FileOf<mr::v1::OpenSessionInput>(),
      FileOf<mr::v1::PartitionRequestHeaders>(),
      FileOf<mr::v1::Event>(),
      FileOf<mr::v1::OpenSessionRequest>(),
      FileOf<mr::v1::CreatePrimitiveRequest>(),
      FileOf<mr::counter::v1::CounterConfig>(),
      FileOf<mr::counter::v1::GetInput>(),
      FileOf<mr::counter::v1::GetRequest>(),
      FileOf<mr::countermap::v1::CounterMapConfig>(),
      FileOf<mr::countermap::v1::GetInput>(),
      FileOf<mr::countermap::v1::GetRequest>(),
      FileOf<mr::election::v1::LeaderElectionConfig>(),
      FileOf<mr::election::v1::EnterInput>(),
      FileOf<mr::election::v1::EnterRequest>(),
      FileOf<mr::indexedmap::v1::IndexedMapConfig>(),
      FileOf<mr::indexedmap::v1::GetInput>(),
      FileOf<mr::indexedmap::v1::GetRequest>(),
      FileOf<mr::list::v1::ListConfig>(),
      FileOf<mr::list::v1::GetInput>(),
      FileOf<mr::list::v1::GetRequest>(),
      FileOf<mr::lock::v1::LockConfig>(),
      FileOf<mr::lock::v1::GetInput>(),
      FileOf<mr::lock::v1::GetRequest>(),
      FileOf<mr::map::v1::MapConfig>(),
      FileOf<mr::map::v1::GetInput>(),
      FileOf<mr::map::v1::GetRequest>(),
      FileOf<mr::multimap::v1::MultiMapConfig>(),
      FileOf<mr::multimap::v1::GetInput>(),
      FileOf<mr::multimap::v1::GetRequest>(),
      FileOf<mr::set::v1::SetConfig>(),
      FileOf<mr::set::v1::SizeInput>(),
      FileOf<mr::set::v1::SizeRequest>(),
      FileOf<mr::value::v1::ValueConfig>(),
      FileOf<mr::value::v1::GetInput>(),
      FileOf<mr::value::v1::GetRequest>(),
      FileOf<rsm::v1::OpenSessionInput>(),
      FileOf<rsm::v1::PartitionRequestHeaders>(),
      FileOf<rsm::v1::OpenSessionRequest>(),
      FileOf<rsm::v1::CreatePrimitiveRequest>(),
      FileOf<rsm::counter::v1::GetInput>(),
      FileOf<rsm::counter::v1::GetRequest>(),
      FileOf<rsm::countermap::v1::GetInput>(),
      FileOf<rsm::countermap::v1::GetRequest>(),
      FileOf<rsm::election::v1::EnterInput>(),
      FileOf<rsm::election::v1::EnterRequest>(),
      FileOf<rsm::indexedmap::v1::GetInput>(),
      FileOf<rsm::indexedmap::v1::GetRequest>(),
      FileOf<rsm::lock::v1::GetInput>(),
      FileOf<rsm::lock::v1::GetRequest>(),
      FileOf<rsm::map::v1::GetInput>(),
      FileOf<rsm::map::v1::GetRequest>(),
      FileOf<rsm::multimap::v1::GetInput>(),
      FileOf<rsm::multimap::v1::GetRequest>(),
      FileOf<rsm::set::v1::SizeInput>(),
      FileOf<rsm::set::v1::SizeRequest>(),
      FileOf<rsm::value::v1::GetInput>(),
      FileOf<rsm::value::v1::GetRequest>(),
      FileOf<atomix::stores::raft::v1::Event>(),
      FileOf<atomix::stores::raft::v1::GetConfigRequest>(),
      FileOf<grpc::health::v1::HealthCheckRequest>(),
  };
}

std::string InSecondGeneration(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"atomix.multiraft.", "atomix.protocols.rsm."},
             {"CommandRequestHeaders", "ProposalRequestHeaders"},
             {"CommandResponseHeaders", "ProposalResponseHeaders"},
             {"OperationRequestHeaders", "CallRequestHeaders"},
             {"OperationResponseHeaders", "CallResponseHeaders"}});
}

}  // namespace proto
