// What the API, and what nodes say to each other, is on the wire, by golden
// bytes: proto/golden.h.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "multiraft/peer/v1/frame.pb.h"
#include "proto/api_files.h"
#include "proto/golden.h"

namespace proto {
namespace {

using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FileDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::MessageFactory;
using ::google::protobuf::MethodDescriptor;
using ::google::protobuf::ServiceDescriptor;
using ::google::protobuf::TextFormat;
using ::google::protobuf::util::MessageDifferencer;

std::string PathOf(const std::string& name) {
  return absl::StrCat("proto/testdata/", name, ".golden");
}

// Files of golden bytes; `headers` has the definitions that others use.
const std::vector<std::string>& Names() {
  static const auto* const kNames = new std::vector<std::string>{
      "headers", "partition",  "session",  "node",       "counter",
      "list",    "countermap", "election", "indexedmap", "lock",
      "map",     "multimap",   "set",      "value",      "health",
      "drivers", "peer",       "rsm",      "stores"};
  return *kNames;
}

// An empty message of that name from the generated code, null if it has none.
std::unique_ptr<Message> NewMessage(const std::string& full_name) {
  const auto* const descriptor =
      DescriptorPool::generated_pool()->FindMessageTypeByName(full_name);
  if (descriptor == nullptr) return nullptr;
  return std::unique_ptr<Message>(
      MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

// One file of golden bytes.
class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  GoldenTest() {
    ApiFiles();  // Links the generated code.
    multiraft::peer::v1::Frame::descriptor();
    const std::string own = PathOf(GetParam());
    std::vector<std::string> paths = {PathOf("headers")};
    if (own != paths[0]) paths.push_back(own);
    for (Golden& golden : ReadGoldens(paths)) {
      if (golden.where.rfind(own, 0) == 0) goldens_.push_back(golden);
    }
  }

  // The golden's fields as a message.
  static std::unique_ptr<Message> Fields(const Golden& golden) {
    std::unique_ptr<Message> message = NewMessage(golden.message);
    EXPECT_NE(message, nullptr) << "no message " << golden.message;
    if (message == nullptr) return nullptr;
    if (!TextFormat::ParseFromString(golden.fields, message.get())) {
      ADD_FAILURE() << "not fields of " << golden.message << ": "
                    << golden.fields;
      return nullptr;
    }
    return message;
  }

  std::vector<Golden> goldens_;
};

TEST_P(GoldenTest, FieldsSerializeToTheBytes) {
  ASSERT_FALSE(goldens_.empty());
  for (const Golden& golden : goldens_) {
    SCOPED_TRACE(golden.where);
    const std::unique_ptr<Message> message = Fields(golden);
    if (message == nullptr) continue;
    EXPECT_EQ(absl::BytesToHexString(message->SerializeAsString()),
              absl::BytesToHexString(golden.bytes));
  }
}

TEST_P(GoldenTest, BytesParseToTheFields) {
  ASSERT_FALSE(goldens_.empty());
  for (const Golden& golden : goldens_) {
    SCOPED_TRACE(golden.where);
    const std::unique_ptr<Message> expected = Fields(golden);
    if (expected == nullptr) continue;
    const std::unique_ptr<Message> parsed(expected->New());
    EXPECT_TRUE(parsed->ParseFromString(golden.bytes));
    EXPECT_TRUE(MessageDifferencer::Equals(*parsed, *expected))
        << parsed->ShortDebugString();
  }
}

// What the second generation has of its own.
const std::set<std::string>& OwnOfSecond() {
  static const auto* const kOwn = [] {
    auto* const own = new std::set<std::string>;
    for (const Golden& golden :
         ReadGoldens({PathOf("headers"), PathOf("rsm"), PathOf("stores")})) {
      own->insert(golden.message);
    }
    return own;
  }();
  return *kOwn;
}

// The message of the second generation that has the bytes of one of the first;
// empty: there is none.
std::string TwinOf(const std::string& message) {
  const std::string twin = InSecondGeneration(message);
  const bool has_one = twin != message && NewMessage(twin) != nullptr &&
                       OwnOfSecond().count(twin) == 0;
  return has_one ? twin : "";
}

TEST_P(GoldenTest, AreTheBytesOfTheSecondGenerationToo) {
  for (Golden golden : goldens_) {
    golden.message = TwinOf(golden.message);
    if (golden.message.empty()) continue;
    SCOPED_TRACE(absl::StrCat(golden.where, ": ", golden.message));
    const std::unique_ptr<Message> message = Fields(golden);
    if (message == nullptr) continue;
    EXPECT_EQ(absl::BytesToHexString(message->SerializeAsString()),
              absl::BytesToHexString(golden.bytes));
    const std::unique_ptr<Message> parsed(message->New());
    EXPECT_TRUE(parsed->ParseFromString(golden.bytes));
    EXPECT_TRUE(MessageDifferencer::Equals(*parsed, *message));
  }
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, testing::ValuesIn(Names()),
                         [](const auto& info) { return info.param; });

// Calls `visit` for each RPC of the API.
template <typename Visit>
void ForEachRpc(Visit visit) {
  for (const FileDescriptor* const file : ApiFiles()) {
    for (int s = 0; s < file->service_count(); ++s) {
      const ServiceDescriptor* const service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        visit(*service->method(m));
      }
    }
  }
}

TEST(WireTest, EveryRpcHasAGoldenRequestAndResponse) {
  std::vector<std::string> paths;
  for (const std::string& name : Names()) paths.push_back(PathOf(name));
  std::set<std::string> golden;
  for (const Golden& g : ReadGoldens(paths)) {
    golden.insert(g.message);
    golden.insert(TwinOf(g.message));
  }

  int rpcs = 0;
  ForEachRpc([&](const MethodDescriptor& rpc) {
    ++rpcs;
    EXPECT_EQ(golden.count(rpc.input_type()->full_name()), 1u)
        << rpc.full_name();
    EXPECT_EQ(golden.count(rpc.output_type()->full_name()), 1u)
        << rpc.full_name();
  });
  // 102 and 96 of the two generations, 2 of health.
  EXPECT_EQ(rpcs, 200);
}

}  // namespace
}  // namespace proto
