#include "primitive/registry.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/counter/v1/service.pb.h"
#include "atomix/multiraft/countermap/v1/service.pb.h"
#include "atomix/multiraft/election/v1/service.pb.h"
#include "atomix/multiraft/indexedmap/v1/service.pb.h"
#include "atomix/multiraft/list/v1/service.pb.h"
#include "atomix/multiraft/lock/v1/service.pb.h"
#include "atomix/multiraft/map/v1/service.pb.h"
#include "atomix/multiraft/multimap/v1/service.pb.h"
#include "atomix/multiraft/set/v1/service.pb.h"
#include "atomix/multiraft/value/v1/service.pb.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "session/limits.h"
#include "session/registry.h"

namespace primitive {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::MethodDescriptor;
using ::google::protobuf::ServiceDescriptor;
using ::session::Operation;
using ::session::OperationKind;
using ::session::PrimitiveType;

// The generated code registers its descriptors when it is linked.
const ServiceDescriptor* FindService(const PrimitiveType& type) {
  atomix::multiraft::counter::v1::GetRequest::descriptor();
  atomix::multiraft::countermap::v1::GetRequest::descriptor();
  atomix::multiraft::election::v1::GetTermRequest::descriptor();
  atomix::multiraft::indexedmap::v1::GetRequest::descriptor();
  atomix::multiraft::list::v1::GetRequest::descriptor();
  atomix::multiraft::lock::v1::GetRequest::descriptor();
  atomix::multiraft::map::v1::GetRequest::descriptor();
  atomix::multiraft::multimap::v1::GetRequest::descriptor();
  atomix::multiraft::set::v1::AddRequest::descriptor();
  atomix::multiraft::value::v1::GetRequest::descriptor();
  return DescriptorPool::generated_pool()->FindServiceByName(type.service);
}

TEST(RegistryTest, HasEveryRpcOfEachServiceAndNoOther) {
  for (const PrimitiveType& type : BuiltinRegistry().types()) {
    SCOPED_TRACE(type.name);
    const ServiceDescriptor* service = FindService(type);
    ASSERT_NE(service, nullptr) << type.service;
    std::set<std::string> rpcs;
    for (const Operation& operation : type.operations) {
      EXPECT_TRUE(rpcs.insert(operation.rpc).second) << operation.rpc;
      EXPECT_NE(service->FindMethodByName(operation.rpc), nullptr)
          << operation.rpc;
    }
    EXPECT_EQ(rpcs.size(), static_cast<size_t>(service->method_count()));
  }
}

// The numbers are on disk: the fields of the <P>Input union, for ever.
TEST(RegistryTest, OperationIdsAreFieldsOfTheInputUnion) {
  for (const PrimitiveType& type : BuiltinRegistry().types()) {
    SCOPED_TRACE(type.name);
    const ServiceDescriptor* service = FindService(type);
    const Descriptor* input = service->file()->pool()->FindMessageTypeByName(
        absl::StrCat(service->full_name(), "Input"));
    ASSERT_NE(input, nullptr);
    for (const Operation& operation : type.operations) {
      const FieldDescriptor* field = input->FindFieldByNumber(operation.id);
      ASSERT_NE(field, nullptr) << operation.rpc;
      EXPECT_EQ(field->message_type()->name(), operation.rpc + "Input");
    }
  }
}

TEST(RegistryTest, KindsAreWhatTheHeadersSay) {
  for (const PrimitiveType& type : BuiltinRegistry().types()) {
    const ServiceDescriptor* service = FindService(type);
    for (const Operation& operation : type.operations) {
      SCOPED_TRACE(absl::StrCat(type.name, ".", operation.rpc));
      const MethodDescriptor* method = service->FindMethodByName(operation.rpc);
      const bool command = method->input_type()
                               ->FindFieldByName("headers")
                               ->message_type()
                               ->name() == "CommandRequestHeaders";
      const bool stream = method->server_streaming();
      const OperationKind kind =
          command
              ? (stream ? OperationKind::kStreamCommand
                        : OperationKind::kCommand)
              : (stream ? OperationKind::kStreamQuery : OperationKind::kQuery);
      EXPECT_EQ(operation.kind, kind);
      EXPECT_TRUE(command || !operation.grows);
    }
  }
}

TEST(RegistryTest, EveryCheckAcceptsTheEmptyInputAndRefusesGarbage) {
  for (const PrimitiveType& type : BuiltinRegistry().types()) {
    for (const Operation& operation : type.operations) {
      SCOPED_TRACE(absl::StrCat(type.name, ".", operation.rpc));
      ASSERT_NE(operation.check, nullptr);
      EXPECT_TRUE(operation.check("", session::Limits()).ok());
      EXPECT_FALSE(operation.check("\x0a\x7f", session::Limits()).ok());
    }
  }
}

TEST(RegistryTest, TypeStringsAreUniqueAndKnown) {
  std::set<std::string> strings;
  for (const PrimitiveType& type : BuiltinRegistry().types()) {
    EXPECT_EQ(type.type_strings.at(1), type.service);
    for (const std::string& string : type.type_strings) {
      EXPECT_TRUE(strings.insert(string).second) << string;
      EXPECT_EQ(BuiltinRegistry().FindByTypeString(string), &type);
    }
  }
  const session::Registry& registry = BuiltinRegistry();
  const std::map<std::string, std::string> expected = {
      {"atomix.runtime.counter.v1.Counter", "counter"},
      {"atomix.multiraft.counter.v1.Counter", "counter"},
      {"atomix.runtime.countermap.v1.CounterMap", "countermap"},
      {"atomix.multiraft.countermap.v1.CounterMap", "countermap"},
      {"atomix.runtime.election.v1.LeaderElection", "election"},
      {"atomix.multiraft.election.v1.LeaderElection", "election"},
      {"atomix.runtime.indexedmap.v1.IndexedMap", "indexedmap"},
      {"atomix.multiraft.indexedmap.v1.IndexedMap", "indexedmap"},
      {"atomix.runtime.list.v1.List", "list"},
      {"atomix.multiraft.list.v1.List", "list"},
      {"atomix.runtime.lock.v1.Lock", "lock"},
      {"atomix.multiraft.lock.v1.Lock", "lock"},
      {"atomix.runtime.map.v1.Map", "map"},
      {"atomix.multiraft.map.v1.Map", "map"},
      {"atomix.runtime.multimap.v1.MultiMap", "multimap"},
      {"atomix.multiraft.multimap.v1.MultiMap", "multimap"},
      {"atomix.runtime.set.v1.Set", "set"},
      {"atomix.multiraft.set.v1.Set", "set"},
      {"atomix.runtime.value.v1.Value", "value"},
      {"atomix.multiraft.value.v1.Value", "value"},
  };
  for (const auto& [string, name] : expected) {
    ASSERT_NE(registry.FindByTypeString(string), nullptr) << string;
    EXPECT_EQ(registry.FindByTypeString(string)->name, name);
  }
  EXPECT_EQ(strings.size(), expected.size());
  EXPECT_EQ(registry.FindByTypeString(""), nullptr);
  EXPECT_EQ(registry.FindByTypeString("atomix.multiraft.map.v1.map"), nullptr);
}

TEST(RegistryTest, TheSecondGenerationHasAllButTheList) {
  const session::Registry& registry = BuiltinRegistry();
  const std::map<std::string, std::string> expected = {
      {"counter", "Counter"},
      {"countermap", "CounterMap"},
      {"election", "LeaderElection"},
      {"indexedmap", "IndexedMap"},
      {"list", ""},
      {"lock", "Lock"},
      {"map", "Map"},
      {"multimap", "MultiMap"},
      {"set", "Set"},
      {"value", "Value"},
  };
  for (const PrimitiveType& type : registry.types()) {
    SCOPED_TRACE(type.name);
    EXPECT_EQ(type.ServiceIn(session::Generation::kMultiRaft), type.service);
    const std::string& called = expected.at(type.name);
    EXPECT_EQ(type.ServiceIn(session::Generation::kRsm),
              called.empty() ? ""
                             : absl::StrCat("atomix.protocols.rsm.", type.name,
                                            ".v1.", called));
    if (called.empty()) continue;
    EXPECT_EQ(registry.FindByRsmType(called, "v1"), &type);
    EXPECT_EQ(registry.FindByRsmType(called, "v2"), nullptr);
    EXPECT_EQ(registry.FindByRsmType(called, ""), nullptr);
  }
  EXPECT_EQ(registry.FindByRsmType("List", "v1"), nullptr);
  EXPECT_EQ(registry.FindByRsmType("", ""), nullptr);
  EXPECT_EQ(registry.FindByRsmType("atomix.runtime.map.v1.Map", ""), nullptr);
}

TEST(RegistryTest, FindsTypesByNameAndOperationsById) {
  const PrimitiveType* map = BuiltinRegistry().FindByName("map");
  ASSERT_NE(map, nullptr);
  EXPECT_EQ(map->FindOperation(2)->rpc, "Put");
  EXPECT_EQ(map->FindOperation(0), nullptr);
  EXPECT_EQ(map->FindOperation(16), nullptr);
  EXPECT_EQ(BuiltinRegistry().FindByName("heap"), nullptr);
}

}  // namespace
}  // namespace primitive
