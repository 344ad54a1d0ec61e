// The generated code is the published API: each message, enum and service is
// rendered as in testdata/core.schema, whose head explains the form, and
// compared with the file.

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "proto/api_files.h"

namespace proto {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FileDescriptor;
using ::google::protobuf::MethodDescriptor;
using ::google::protobuf::ServiceDescriptor;
using ::testing::UnorderedElementsAreArray;

constexpr char kCorePackage[] = "atomix.multiraft.v1";

// `full_name` as a file of `package` says it.
std::string Relative(const std::string& full_name, const std::string& package) {
  return std::string(absl::StripPrefix(full_name, absl::StrCat(package, ".")));
}

std::string RenderType(const FieldDescriptor& field,
                       const std::string& package) {
  if (field.is_map()) {
    return absl::StrCat(
        "map<", RenderType(*field.message_type()->map_key(), package), ",",
        RenderType(*field.message_type()->map_value(), package), ">");
  }
  std::string type = field.type_name();
  if (field.message_type() != nullptr) {
    type = Relative(field.message_type()->full_name(), package);
  } else if (field.enum_type() != nullptr) {
    type = Relative(field.enum_type()->full_name(), package);
  }
  return absl::StrCat(field.is_repeated() ? "repeated " : "", type);
}

// "message Entry: 1 key string; 2 value IndexedValue". A field declared
// `optional` would show as a oneof of its own.
std::string RenderMessage(const Descriptor& message) {
  const std::string& package = message.file()->package();
  std::map<int, std::string> fields;  // By number.
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    std::string text = absl::StrCat(field.number(), " ", field.name(), " ",
                                    RenderType(field, package));
    if (field.containing_oneof() != nullptr) {
      absl::StrAppend(&text, " (oneof ", field.containing_oneof()->name(), ")");
    }
    fields[field.number()] = text;
  }
  std::vector<std::string> texts;
  for (const auto& [number, text] : fields) texts.push_back(text);
  return absl::StrCat("message ", Relative(message.full_name(), package), ": ",
                      texts.empty() ? "(empty)" : absl::StrJoin(texts, "; "));
}

std::string RenderEnum(const EnumDescriptor& type) {
  std::vector<std::string> values;
  for (int i = 0; i < type.value_count(); ++i) {
    values.push_back(
        absl::StrCat(type.value(i)->name(), "=", type.value(i)->number()));
  }
  return absl::StrCat("enum ",
                      Relative(type.full_name(), type.file()->package()), ": ",
                      absl::StrJoin(values, ", "));
}

std::string RenderRpc(const MethodDescriptor& rpc) {
  const std::string& package = rpc.file()->package();
  return absl::StrCat("rpc ", rpc.service()->name(), ".", rpc.name(), ": ",
                      rpc.client_streaming() ? "stream " : "",
                      Relative(rpc.input_type()->full_name(), package), " -> ",
                      rpc.server_streaming() ? "stream " : "",
                      Relative(rpc.output_type()->full_name(), package));
}

// Appends the message and what is declared in it.
void RenderMessages(const Descriptor& message, std::vector<std::string>* out) {
  if (message.options().map_entry()) return;
  out->push_back(RenderMessage(message));
  for (int i = 0; i < message.enum_type_count(); ++i) {
    out->push_back(RenderEnum(*message.enum_type(i)));
  }
  for (int i = 0; i < message.nested_type_count(); ++i) {
    RenderMessages(*message.nested_type(i), out);
  }
}

std::vector<std::string> RenderFile(const FileDescriptor& file) {
  std::vector<std::string> lines;
  for (int s = 0; s < file.service_count(); ++s) {
    const ServiceDescriptor& service = *file.service(s);
    for (int m = 0; m < service.method_count(); ++m) {
      lines.push_back(RenderRpc(*service.method(m)));
    }
  }
  for (int i = 0; i < file.enum_type_count(); ++i) {
    lines.push_back(RenderEnum(*file.enum_type(i)));
  }
  for (int i = 0; i < file.message_type_count(); ++i) {
    RenderMessages(*file.message_type(i), &lines);
  }
  return lines;
}

// The package of a file is its folder.
std::string PackageOf(const std::string& path) {
  return absl::StrReplaceAll(path.substr(0, path.rfind('/')), {{"/", "."}});
}

// Writes out what "command Map.Events: stream" stands for.
std::vector<std::string> Expand(const std::string& kind,
                                const std::string& rest,
                                const std::string& package) {
  const std::vector<std::string> parts = absl::StrSplit(rest, ": ");
  const std::string name = parts[0].substr(parts[0].find('.') + 1);
  const std::string stream = parts.size() > 1 ? "stream " : "";
  const std::string headers =
      Relative(absl::StrCat(kCorePackage, ".", kind), package);
  return {absl::StrCat("rpc ", parts[0], ": ", name, "Request -> ", stream,
                       name, "Response"),
          absl::StrCat("message ", name, "Request: 1 headers ", headers,
                       "RequestHeaders; 2 input ", name, "Input"),
          absl::StrCat("message ", name, "Response: 1 headers ", headers,
                       "ResponseHeaders; 2 output ", name, "Output")};
}

// The lines of a schema file, continuations joined and comments left out.
std::vector<std::string> ReadLines(const std::string& path) {
  std::ifstream file(path);
  CHECK(file.is_open()) << "cannot open " << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == ' ') {
      absl::StrAppend(&lines.back(),
                      line.substr(line.find_first_not_of(' ') - 1));
    } else {
      lines.push_back(line);
    }
  }
  return lines;
}

// Path of a .proto file -> what it must have.
using Schema = std::map<std::string, std::vector<std::string>>;

// What the second generation must have: what the first has, but for what
// testdata/rsm.schema says.
void AddSecondGeneration(Schema* schema) {
  Schema second;
  for (const auto& [path, lines] : *schema) {
    if (!absl::StartsWith(path, "atomix/multiraft/")) continue;
    std::vector<std::string>& own =
        second[absl::StrReplaceAll(path, {{"multiraft", "protocols/rsm"}})];
    for (const std::string& line : lines) {
      own.push_back(InSecondGeneration(line));
    }
  }
  std::string path;
  for (const std::string& line : ReadLines("proto/testdata/rsm.schema")) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, "without ")) {
      CHECK_EQ(second.erase(std::string(rest)), 1u) << line;
    } else if (absl::ConsumePrefix(&rest, "file ")) {
      path = std::string(rest);
      CHECK_EQ(second.count(path), 1u) << line;
    } else {
      // It takes the place of the line about the same, if there is one.
      const bool leaves_out = absl::ConsumePrefix(&rest, "no ");
      const std::string about(rest.substr(0, rest.find(':') + 1));
      std::vector<std::string>& lines = second[path];
      const auto found = std::find_if(
          lines.begin(), lines.end(),
          [&](const std::string& one) { return absl::StartsWith(one, about); });
      if (found != lines.end()) lines.erase(found);
      if (!leaves_out) lines.push_back(line);
    }
  }
  schema->insert(second.begin(), second.end());

  // The events of nodes are those of the first, in a file of their own.
  for (const std::string& line : (*schema)["atomix/multiraft/v1/node.proto"]) {
    const std::string about = line.substr(0, line.find(':'));
    if (absl::StrContains(about, "Event") ||
        absl::StrContains(about, "ConnectionInfo")) {
      (*schema)["atomix/stores/raft/v1/event.proto"].push_back(
          absl::StrReplaceAll(
              line, {{"MembershipChanged", "ConfigurationChanged"},
                     {"membership_changed", "configuration_changed"}}));
    }
  }
}

Schema ReadSchema() {
  static const auto* const kKinds = new std::map<std::string, std::string>{
      {"command", "Command"}, {"query", "Query"}, {"partition", "Partition"}};
  Schema schema;
  std::string path;
  for (const char* const name : {"core", "primitives", "stores"}) {
    for (const std::string& line :
         ReadLines(absl::StrCat("proto/testdata/", name, ".schema"))) {
      const std::size_t space = line.find(' ');
      const std::string word = line.substr(0, space);
      const std::string rest = line.substr(space + 1);
      if (word == "file") {
        path = rest;
      } else if (const auto kind = kKinds->find(word); kind != kKinds->end()) {
        for (const std::string& expanded :
             Expand(kind->second, rest, PackageOf(path))) {
          schema[path].push_back(expanded);
        }
      } else {
        schema[path].push_back(line);
      }
    }
  }
  AddSecondGeneration(&schema);
  return schema;
}

TEST(SchemaTest, EveryFileHasExactlyWhatWasPublished) {
  const Schema schema = ReadSchema();
  for (const FileDescriptor* const file : ApiFiles()) {
    SCOPED_TRACE(file->name());
    const auto published = schema.find(file->name());
    ASSERT_NE(published, schema.end());
    EXPECT_THAT(RenderFile(*file),
                UnorderedElementsAreArray(published->second));
  }
}

TEST(SchemaTest, NoPublishedFileIsMissing) {
  std::vector<std::string> published;
  for (const auto& [path, lines] : ReadSchema()) published.push_back(path);
  std::vector<std::string> ours;
  for (const FileDescriptor* const file : ApiFiles()) {
    ours.push_back(file->name());
  }
  EXPECT_THAT(ours, UnorderedElementsAreArray(published));
}

TEST(SchemaTest, EveryFileIsProto3InThePackageOfItsFolder) {
  for (const FileDescriptor* const file : ApiFiles()) {
    EXPECT_EQ(file->syntax(), FileDescriptor::SYNTAX_PROTO3) << file->name();
    EXPECT_EQ(file->package(), PackageOf(file->name()));
  }
}

}  // namespace
}  // namespace proto
