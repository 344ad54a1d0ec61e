#include "server/controller_flags.h"

#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace server {
namespace {

using Json = nlohmann::json;

// The defaults of the Go node (semantics 6.5 and 6.6).
constexpr char kEverywhere[] = "0.0.0.0";
constexpr char kApiPort[] = "8080";
constexpr char kRaftPort[] = "5000";
constexpr char kDataDir[] = "/var/lib/atomix/data";
constexpr int kElectionHeartbeats = 10;

const std::set<std::string>& TheirNames() {
  static const auto& names = *new std::set<std::string>{
      "config", "c", "api-host", "api-port", "raft-host", "raft-port"};
  return names;
}

absl::StatusOr<absl::Duration> DurationOf(const std::string& field,
                                          const Json& value) {
  absl::Duration duration;
  const bool is_text = value.is_string() &&
                       absl::ParseDuration(value.get<std::string>(), &duration);
  if (!is_text && value.is_number_integer()) {
    duration = absl::Nanoseconds(value.get<int64_t>());
  }
  if (duration > absl::ZeroDuration()) return duration;
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value.dump(),
                   " is no time, such as \"0.25s\" or nanoseconds"));
}

// It must be a number, and that is all: there is nothing here that it sets.
absl::Status CheckNumber(const std::string& field, const Json& value) {
  uint64_t number = 0;
  if (value.is_number_unsigned() ||
      (value.is_string() &&
       absl::SimpleAtoi(value.get<std::string>(), &number))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value.dump(), " is no number"));
}

absl::StatusOr<std::vector<Setting>> ReadControllerConfig(
    const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) {
    return absl::InvalidArgumentError(
        absl::StrCat("--config: cannot read ", path));
  }
  absl::StatusOr<std::vector<Setting>> settings =
      ParseControllerConfig(text.str());
  if (settings.ok()) return settings;
  return absl::InvalidArgumentError(
      absl::StrCat("--config: ", path, ": ", settings.status().message()));
}

}  // namespace

absl::StatusOr<std::vector<Setting>> ParseControllerConfig(
    absl::string_view json) {
  const Json config = Json::parse(std::string(json), /*cb=*/nullptr,
                                  /*allow_exceptions=*/false);
  if (!config.is_object()) {
    return absl::InvalidArgumentError("it is no JSON object");
  }
  std::vector<Setting> settings;
  absl::Duration heartbeat = absl::ZeroDuration();
  absl::Duration election = absl::ZeroDuration();
  for (const auto& [field, value] : config.items()) {
    if (field == "heartbeatPeriod" || field == "heartbeat_period") {
      ASSIGN_OR_RETURN(heartbeat, DurationOf(field, value));
    } else if (field == "electionTimeout" || field == "election_timeout") {
      ASSIGN_OR_RETURN(election, DurationOf(field, value));
    } else if (field == "dataDir" || field == "data_dir") {
      if (!value.is_string()) {
        return absl::InvalidArgumentError(
            absl::StrCat(field, ": ", value.dump(), " is no directory"));
      }
      if (const auto directory = value.get<std::string>(); !directory.empty()) {
        settings.push_back({.name = "data_dir", .value = directory});
      }
    } else if (field == "snapshotEntryThreshold" ||
               field == "snapshot_entry_threshold" ||
               field == "compactionRetainEntries" ||
               field == "compaction_retain_entries") {
      RETURN_IF_ERROR(CheckNumber(field, value));
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(field, ": there is no such field"));
    }
  }
  if (heartbeat > absl::ZeroDuration() && election == absl::ZeroDuration()) {
    election = kElectionHeartbeats * heartbeat;
  }
  for (const auto& [name, duration] :
       {std::pair{"heartbeat_interval", heartbeat},
        std::pair{"election_timeout", election}}) {
    if (duration == absl::ZeroDuration()) continue;
    settings.push_back(
        {.name = name,
         .value = absl::StrCat(absl::ToInt64Nanoseconds(duration), "ns")});
  }
  return settings;
}

absl::StatusOr<std::vector<Setting>> TranslateControllerFlags(
    const std::vector<Setting>& settings) {
  std::vector<Setting> ours;
  std::map<std::string, std::string> theirs;
  std::set<std::string> set;
  for (const Setting& setting : settings) {
    if (!TheirNames().contains(setting.name)) {
      set.insert(setting.name);
      ours.push_back(setting);
      continue;
    }
    if (setting.value.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(setting.where, " has no value"));
    }
    theirs[setting.name == "c" ? "config" : setting.name] = setting.value;
  }
  if (theirs.empty()) return ours;
  const auto theirs_or = [&](const std::string& name, const char* otherwise) {
    const auto found = theirs.find(name);
    return found == theirs.end() ? std::string(otherwise) : found->second;
  };

  std::vector<Setting> translated = {
      {.name = "managed", .value = "true", .where = "--managed"},
      {.name = "listen",
       .value = absl::StrCat(theirs_or("api-host", kEverywhere), ":",
                             theirs_or("api-port", kApiPort)),
       .where = "--api-host and --api-port"},
      {.name = "peer_listen",
       .value = absl::StrCat(theirs_or("raft-host", kEverywhere), ":",
                             theirs_or("raft-port", kRaftPort)),
       .where = "--raft-host and --raft-port"},
      {.name = "data_dir", .value = kDataDir, .where = "--data_dir"}};
  if (const auto config = theirs.find("config"); config != theirs.end()) {
    ASSIGN_OR_RETURN(std::vector<Setting> read,
                     ReadControllerConfig(config->second));
    for (Setting& setting : read) {
      setting.where = absl::StrCat("--config: ", config->second);
      translated.push_back(std::move(setting));
    }
  }
  // Behind what the file says, so that ours win; of two the last one counts.
  std::erase_if(translated, [&](const Setting& setting) {
    return set.contains(setting.name);
  });
  ours.insert(ours.end(), translated.begin(), translated.end());
  return ours;
}

}  // namespace server
