#include "server/flags.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "server/cluster/cluster_spec.h"
#include "server/controller_flags.h"
#include "server/flag_types.h"
#include "server/transport/options.h"

namespace server {
namespace {

// One line of the table that --help prints and ParseCommandLine fills Options
// from. A heading has only a name.
struct Row {
  std::string name;
  void (*apply)(Options&) = nullptr;
};

std::vector<Row>& Table() {
  static auto& table = *new std::vector<Row>;
  return table;
}

struct AddRow {
  AddRow(std::string name, void (*apply)(Options&) = nullptr) {
    Table().push_back({std::move(name), apply});
  }
};

template <class T>
T Unwrap(const T& flag) {
  return flag;
}
uint64_t Unwrap(Bytes flag) { return flag.value; }
uint64_t Unwrap(Nanos flag) { return flag.value; }
uint64_t Unwrap(NanosOrNone flag) { return flag.value; }
absl::StatusCode Unwrap(Code flag) { return flag.value; }

}  // namespace
}  // namespace server

// A flag, the field of Options it sets and takes its default from, in one
// place: they cannot drift apart.
#define OPTION(Type, name, field, help)                                        \
  ABSL_FLAG(Type, name, Type{server::Options().field}, help);                  \
  static const server::AddRow row_##name(#name, [](server::Options& options) { \
    options.field =                                                            \
        decltype(options.field)(server::Unwrap(absl::GetFlag(FLAGS_##name)));  \
  })

#define HEADING(name, text) static const server::AddRow heading_##name(text)

HEADING(where, "Where it listens");
OPTION(std::string, listen, listen,
       "host:port of the client API (gRPC). Port 0 takes a free one.");
OPTION(std::string, peer_listen, peer_listen,
       "host:port for the other nodes of a cluster. Nothing listens there as "
       "long as a node is alone.");
OPTION(std::string, http_listen, http_listen,
       "host:port for metrics and the dashboard. Reserved: nothing listens "
       "there yet.");

HEADING(identity, "Who it is; fixed at the first start of a data directory");
OPTION(std::string, data_dir, data_dir,
       "Everything the node keeps. Made if it is missing.");
ABSL_FLAG(uint32_t, node, server::Options().node.value(),
          "This node's number, from 1.");
static const server::AddRow row_node("node", [](server::Options& options) {
  options.node = base::NodeId(absl::GetFlag(FLAGS_node));
});
OPTION(std::string, cluster_name, cluster_name,
       "Nodes of different clusters never talk to each other.");
OPTION(uint32_t, partitions, partitions,
       "How many partitions there are: 1 to this.");

HEADING(cluster, "A cluster; the same on all its nodes, but for --node");
OPTION(std::string, cluster, cluster_text,
       "Its first nodes: NODE=HOST:PEER-PORT/HOST:API-PORT, separated by "
       "commas. What is not set otherwise follows from it: --listen, "
       "--peer_listen, and a --data_dir that ends in the node's number.");
OPTION(uint32_t, replication, replication,
       "Replicas of each partition; 0: three, or as many as there are nodes.");
OPTION(std::string, join, join_text,
       "In the place of --cluster, for a node that is new in a cluster that "
       "runs: HOST:PEER-PORT of some of its nodes, separated by commas. What "
       "else there is to know it learns from them.");
OPTION(std::string, advertise_peer, advertise_peer,
       "host:port where the other nodes reach this one, if that is neither "
       "what --cluster says nor --peer_listen. May change at a restart.");
OPTION(std::string, advertise_api, advertise_api,
       "The same for clients, and --listen.");
OPTION(bool, managed, managed,
       "In the place of both, for a node that gets its partitions from a "
       "controller, through atomix.multiraft.v1.Node. Until then it makes "
       "nothing; --node, if it is given, must be what the controller says. "
       "Implied by the Go node's flags: --config, --api-host, --api-port, "
       "--raft-host, --raft-port.");
OPTION(bool, force_bootstrap, force_bootstrap,
       "If a node was lost before the first start: the lowest of the others "
       "begins without it, if a majority is there. It has to join later.");
OPTION(bool, balance_leaders, balance_leaders,
       "A partition that another replica should lead, so that leaders are "
       "spread evenly, is handed to it once that was up for ten seconds.");

HEADING(recovery, "When a majority is lost for good (docs/operations.md)");
OPTION(bool, recover, recover,
       "Does not serve: makes a new cluster, of this node alone, from what "
       "--data_dir has, and says what that loses. The node must be stopped.");
OPTION(bool, dry_run, dry_run,
       "With --recover: only shows what is there, to find the best survivor.");
OPTION(bool, yes, yes, "With --recover: really does it.");

HEADING(config, "Configuration");
ABSL_FLAG(std::string, config_file, "",
          "A file with any of these settings, one `name: value` a line. The "
          "command line wins.");
static const server::AddRow row_config_file("config_file",
                                            [](server::Options&) {});

HEADING(timing, "Timing");
OPTION(server::Nanos, heartbeat_interval, partition.raft.tick_ns,
       "How often a leader is heard from.");
ABSL_FLAG(server::Nanos, election_timeout,
          (server::Nanos{server::Options().partition.raft.tick_ns *
                         server::Options().partition.raft.election_ticks}),
          "Followers elect another leader after this time without one, at "
          "least 3 heartbeat intervals.");
static const server::AddRow row_election_timeout(
    "election_timeout", [](server::Options& options) {
      // Behind heartbeat_interval in the table, so tick_ns is set.
      raft::Config& raft = options.partition.raft;
      const uint64_t timeout = absl::GetFlag(FLAGS_election_timeout).value;
      raft.election_ticks = static_cast<uint32_t>(
          std::min<uint64_t>(timeout / raft.tick_ns, 1'000'000));
    });
OPTION(server::Nanos, session_timeout_min,
       partition.limits.session_timeout_min_ns,
       "Sessions with a shorter timeout are refused.");
OPTION(server::Nanos, session_timeout_max,
       partition.limits.session_timeout_max_ns,
       "Sessions with a longer timeout are refused.");
OPTION(server::Nanos, query_wait, partition.query_wait_ns,
       "A query waits this long for a state that is new enough.");
OPTION(
    server::Nanos, stream_hold, partition.stream_hold_ns,
    "A stream that cannot be served is held this long before it is refused.");
OPTION(server::Nanos, drain_timeout, drain_timeout_ns,
       "At SIGTERM, calls have this long to end by themselves; before that, "
       "half of it at most goes to handing over what the node leads.");
OPTION(server::Code, unknown_session_code, service.unknown_session_code,
       "How a KeepAlive of an unknown session fails in atomix.multiraft: "
       "data_loss makes drivers start again; permission_denied is what the "
       "first implementation did.");

HEADING(work, "Threads, log and checkpoints");
OPTION(uint32_t, workers, workers,
       "Threads that run partitions; 0: one for each core.");
OPTION(server::Bytes, checkpoint_log_bytes, partition.checkpoint_log_bytes,
       "A checkpoint is due behind this much log,");
OPTION(server::Nanos, checkpoint_interval, partition.checkpoint_interval_ns,
       "or after this time if anything changed,");
OPTION(server::Bytes, checkpoint_dirty_bytes, partition.checkpoint_dirty_bytes,
       "or at this much unwritten change.");
OPTION(server::NanosOrNone, scrub_period, partition.scrub_period_ns,
       "The whole state is read through in about so long, to find what memory "
       "has changed; 0s: never.");
OPTION(server::Bytes, log_keep_bytes, partition.log_keep_bytes,
       "Log kept behind a checkpoint, for followers that are a little behind.");
OPTION(server::Bytes, log_behind_bytes_max, partition.log_behind_bytes_max,
       "And at most for members that are further behind and still there.");
OPTION(server::Bytes, image_bytes_per_second, partition.image_bytes_per_second,
       "Of an image that a replica gets from its leader.");

HEADING(nodes, "Between nodes");
OPTION(server::Bytes, image_send_bytes_per_second,
       transport.image_bytes_per_second,
       "Of images, to all other nodes together.");
OPTION(uint32_t, append_streams, transport.append_streams,
       "Streams of log entries to each other node; 0: 1 up to 4 cores, then "
       "4.");
OPTION(server::Bytes, append_queue_bytes_max, transport.append_queue_bytes_max,
       "Of log entries that wait for one stream; more is dropped and sent "
       "again.");
OPTION(server::Nanos, peer_keep_alive, transport.keep_alive_ns,
       "A connection to another node is tested so often,");
OPTION(server::Nanos, peer_keep_alive_timeout, transport.keep_alive_timeout_ns,
       "and given up if the answer takes longer than this.");
OPTION(
    server::Nanos, member_silence, partition.member_silent_ns,
    "A change of the members that waits for a new one ends when that was not "
    "heard from for so long.");

HEADING(disk, "The disk");
OPTION(
    server::Bytes, disk_reserve, disk_reserve_bytes,
    "With less free space the node takes no commands and leads nothing, until "
    "there is an eighth more.");
OPTION(server::NanosOrNone, disk_hang_timeout, disk_hang_timeout_ns,
       "The process ends if the disk does not answer for so long, so that "
       "another node leads; 0s: never.");

OPTION(server::Bytes, undurable_bytes_max, partition.undurable_bytes_max,
       "Of a partition: what its followers have and this disk does not yet. "
       "Above, another node has to lead it; it can again at half of this.");
OPTION(server::Bytes, undurable_node_bytes_max,
       partition.undurable_node_bytes_max,
       "The same of all partitions of the node together.");

HEADING(calls, "Limits of calls");
OPTION(server::Bytes, request_bytes_max, request_bytes_max,
       "The largest message gRPC takes.");
OPTION(server::Bytes, entry_bytes_max, partition.raft.entry_bytes_max,
       "The largest command in the log.");
OPTION(uint32_t, streams_per_connection_max, streams_per_connection_max,
       "Calls that one connection may have open.");
OPTION(server::Nanos, client_keep_alive, client_keep_alive_ns,
       "A client's connection without a word for so long is pinged,");
OPTION(server::Nanos, client_keep_alive_timeout, client_keep_alive_timeout_ns,
       "and closed if nothing comes back in this time.");
OPTION(server::Bytes, mailbox_bytes_max, partition.mailbox_bytes_max,
       "Requests of one partition that wait for their turn.");
OPTION(server::Bytes, mailbox_keep_alive_bytes_max,
       partition.mailbox_keep_alive_bytes_max,
       "KeepAlives have a share of their own, so that a flood expires nobody.");
OPTION(server::Bytes, name_bytes_max, partition.limits.name_bytes_max,
       "Name, namespace and profile of a primitive.");
OPTION(server::Bytes, key_bytes_max, partition.limits.key_bytes_max,
       "Keys and elements.");
OPTION(server::Bytes, value_bytes_max, partition.limits.value_bytes_max,
       "Values.");
OPTION(server::Bytes, filter_bytes_max, partition.limits.filter_bytes_max,
       "The filter of a KeepAlive.");
OPTION(uint64_t, filter_hashes_max, partition.limits.filter_hashes_max,
       "Hash functions of a filter.");

HEADING(state, "Limits of one partition's state; the same on all its replicas");
OPTION(uint64_t, sessions_max, partition.limits.sessions_max, "Open sessions.");
OPTION(uint64_t, primitives_max, partition.limits.primitives_max,
       "Primitives.");
OPTION(server::Bytes, state_bytes_max, partition.limits.state_bytes_max,
       "All of it; above, commands that need more are refused.");
OPTION(server::Bytes, session_cache_bytes_max,
       partition.limits.session_cache_bytes_max,
       "Results that a session has not acknowledged.");
OPTION(uint64_t, session_records_max, partition.limits.session_records_max,
       "Commands that a session has not acknowledged.");
OPTION(uint64_t, watch_changes_max, partition.limits.watch_changes_max,
       "Changes of a primitive that a local watcher has not read.");
OPTION(server::Bytes, watch_bytes_max, partition.limits.watch_bytes_max,
       "The same in bytes.");
OPTION(uint64_t, listing_rows_max, partition.limits.listing_rows_max,
       "Rows of one slice of a listing.");
OPTION(server::Bytes, listing_bytes_max, partition.limits.listing_bytes_max,
       "The same in bytes.");
OPTION(uint64_t, session_query_streams_max,
       partition.limits.session_query_streams_max,
       "Stream queries that a session has open in one partition of this node.");
OPTION(uint64_t, query_streams_max, service.query_streams_max,
       "Stream queries that are open on this node.");
OPTION(uint64_t, watches_max, service.watches_max,
       "Watches of partitions (Partition.Watch) and of health that are open on "
       "this node.");
OPTION(uint64_t, forwarded_calls_max, service.forwarded_calls_max,
       "Calls under way from this node to leaders on other nodes, on behalf of "
       "its clients. Above: UNAVAILABLE.");
OPTION(server::Bytes, forwarded_bytes_max, service.forwarded_bytes_max,
       "The bytes of their requests.");
OPTION(uint64_t, acknowledgements_max, partition.limits.acknowledgements_max,
       "Streams that one KeepAlive acknowledges.");

#undef OPTION
#undef HEADING

namespace server {
namespace {

absl::CommandLineFlag* Find(absl::string_view name) {
  for (const Row& row : Table()) {
    if (row.apply != nullptr && row.name == name) {
      return absl::FindCommandLineFlag(name);
    }
  }
  return nullptr;
}

std::string Help() {
  std::string text =
      "multiraft server: a durable, replicated session and coordination "
      "server.\n\n"
      "Usage: multiraft [--name=value ...]   (bazel-bin/server/server)\n";
  for (const Row& row : Table()) {
    if (row.apply == nullptr) {
      absl::StrAppend(&text, "\n", row.name, "\n");
      continue;
    }
    const absl::CommandLineFlag& flag = *absl::FindCommandLineFlag(row.name);
    absl::StrAppend(&text, "  --", row.name, "=", flag.DefaultValue(), "\n");
    std::string line;
    for (absl::string_view word : absl::StrSplit(flag.Help(), ' ')) {
      if (line.size() + 1 + word.size() > 70) {
        absl::StrAppend(&text, "      ", line, "\n");
        line.clear();
      }
      absl::StrAppend(&line, line.empty() ? "" : " ", word);
    }
    absl::StrAppend(&text, "      ", line, "\n");
  }
  return text;
}
absl::Status Set(const Setting& setting) {
  absl::CommandLineFlag* flag = Find(setting.name);
  if (flag == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(setting.where, ": there is no such setting; see --help"));
  }
  std::string error;
  if (!flag->ParseFrom(setting.value, &error)) {
    // absl's own text comes first and repeats the value; ours is its last line.
    const std::vector<std::string> lines =
        absl::StrSplit(error, ';', absl::SkipWhitespace());
    return absl::InvalidArgumentError(
        absl::StrCat(setting.where, ": '", setting.value, "' does not do: ",
                     lines.empty() ? "malformed"
                                   : absl::StripAsciiWhitespace(lines.back())));
  }
  return absl::OkStatus();
}

// It may stand without a value.
bool IsSwitch(absl::string_view name) {
  const absl::CommandLineFlag* const flag = Find(name);
  return flag != nullptr && flag->IsOfType<bool>();
}

absl::StatusOr<std::vector<Setting>> SplitArguments(
    const std::vector<std::string>& arguments) {
  std::vector<Setting> settings;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (!absl::ConsumePrefix(&argument, "--")) {
      if (!absl::ConsumePrefix(&argument, "-") || argument.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "unexpected argument '", arguments[i], "'; see --help"));
      }
    }
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(argument, absl::MaxSplits('=', 1));
    Setting setting{.name = std::string(parts.first),
                    .where = absl::StrCat("--", parts.first)};
    if (absl::StrContains(argument, '=')) {
      setting.value = std::string(parts.second);
    } else if (IsSwitch(setting.name)) {
      setting.value = "true";
      if (i + 1 < arguments.size() &&
          (arguments[i + 1] == "true" || arguments[i + 1] == "false")) {
        setting.value = arguments[++i];
      }
    } else if (setting.name != "help" && setting.name != "h") {
      if (Find(setting.name) != nullptr && i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--", setting.name, " has no value"));
      }
      if (i + 1 < arguments.size()) setting.value = arguments[++i];
    }
    settings.push_back(std::move(setting));
  }
  return settings;
}

absl::StatusOr<std::vector<Setting>> ReadConfigFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::InvalidArgumentError(
        absl::StrCat("--config_file: cannot read ", path));
  }
  std::vector<Setting> settings;
  std::string text;
  for (int number = 1; std::getline(file, text); ++number) {
    absl::string_view line = text;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::string where = absl::StrCat(path, ":", number);
    const size_t end = line.find_first_of(":=");
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": expected `name: value`"));
    }
    const absl::string_view name =
        absl::StripAsciiWhitespace(line.substr(0, end));
    settings.push_back(
        {.name = std::string(name),
         .value = std::string(absl::StripAsciiWhitespace(line.substr(end + 1))),
         .where = absl::StrCat(where, ": ", name)});
    if (name == "config_file") {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": a config file cannot name another"));
    }
  }
  return settings;
}

// Under `bazel run` the process starts elsewhere, and this says where the
// caller is.
std::string Absolute(const std::string& path) {
  const char* caller = std::getenv("BUILD_WORKING_DIRECTORY");
  const std::filesystem::path base = caller != nullptr
                                         ? std::filesystem::path(caller)
                                         : std::filesystem::current_path();
  return (base / path).lexically_normal().string();
}

absl::Status CheckAddress(absl::string_view flag, absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag, ": '", address,
                     "' does not do: expected host:port, such as "
                     "127.0.0.1:5678"));
  }
  return absl::OkStatus();
}

// A host that others can ask for: one address, and a port.
absl::Status CheckReachable(absl::string_view flag, absl::string_view address) {
  const size_t colon = address.rfind(':');
  const absl::string_view host = address.substr(0, colon);
  if (host == "0.0.0.0" || host == "[::]" || address.substr(colon) == ":0") {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag, ": others cannot reach this node at ", address,
                     ": say with --", flag, " where they can"));
  }
  return absl::OkStatus();
}

// What --join says.
absl::Status SetJoin(const std::set<std::string>& set, Options& options) {
  if (!options.cluster_text.empty()) {
    return absl::InvalidArgumentError(
        "--join: --cluster is for the nodes that a cluster begins with; one "
        "that joins later takes --join alone");
  }
  if (options.replication != 0) {
    return absl::InvalidArgumentError(
        "--replication: a node that joins learns it from the cluster");
  }
  if (options.force_bootstrap) {
    return absl::InvalidArgumentError(
        "--force_bootstrap: a node that joins begins nothing; leave it out");
  }
  for (absl::string_view part : absl::StrSplit(options.join_text, ',')) {
    RETURN_IF_ERROR(CheckAddress("join", part));
    options.join.emplace_back(part);
  }
  if (!set.contains("partitions")) options.partitions = 0;
  if (!set.contains("data_dir")) {
    absl::StrAppend(&options.data_dir, "-", options.node.value());
  }
  RETURN_IF_ERROR(CheckAddress("peer_listen", options.peer_listen));
  RETURN_IF_ERROR(CheckAddress("listen", options.listen));
  RETURN_IF_ERROR(
      CheckReachable("advertise_peer", options.advertise_peer.empty()
                                           ? options.peer_listen
                                           : options.advertise_peer));
  return CheckReachable("advertise_api", options.advertise_api.empty()
                                             ? options.listen
                                             : options.advertise_api);
}

// What --managed says, or leaves to a controller.
absl::Status SetManaged(const std::set<std::string>& set, Options& options) {
  for (const char* flag :
       {"cluster", "join", "partitions", "replication", "force_bootstrap"}) {
    if (!set.contains(flag)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--", flag, ": of a node with --managed a controller decides that"));
  }
  options.partitions = 0;
  if (set.contains("node") && options.node == base::NodeId{}) {
    return absl::InvalidArgumentError(
        "--node: 0 does not do: nodes count from 1");
  }
  if (!set.contains("node")) {
    options.node = base::NodeId{};
  } else if (!set.contains("data_dir")) {
    absl::StrAppend(&options.data_dir, "-", options.node.value());
  }
  return absl::OkStatus();
}

// What would do nothing on a node that is alone. One that only recovers takes
// the flags that it is started with afterwards.
absl::Status CheckIsAlone(const Options& options) {
  if (options.recover) return absl::OkStatus();
  if (options.force_bootstrap) {
    return absl::InvalidArgumentError(
        "--force_bootstrap: a node that is alone waits for nobody; leave it "
        "out, or name the cluster's first nodes with --cluster");
  }
  for (const auto& [flag, address] :
       {std::pair<absl::string_view, std::string>{"advertise_peer",
                                                  options.advertise_peer},
        {"advertise_api", options.advertise_api}}) {
    if (address.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--", flag,
        ": a node that is alone is reached where it listens; leave it out, or "
        "give --cluster, --join or --managed, too"));
  }
  return absl::OkStatus();
}

// What --cluster says of this node, where nothing else does.
absl::Status SetCluster(const std::set<std::string>& set, Options& options) {
  if (options.managed) return SetManaged(set, options);
  if (!options.join_text.empty()) return SetJoin(set, options);
  if (options.cluster_text.empty()) {
    if (options.replication > 1) {
      return absl::InvalidArgumentError(
          "--replication: a node that is alone has one replica of each "
          "partition; a cluster is named by --cluster");
    }
    return CheckIsAlone(options);
  }
  absl::StatusOr<std::vector<cluster::NodeAddress>> nodes =
      cluster::ParseNodes(options.cluster_text);
  if (!nodes.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--cluster: ", nodes.status().message()));
  }
  options.cluster = *std::move(nodes);
  if (options.replication == 0) {
    options.replication = cluster::DefaultReplication(options.cluster.size());
  }
  if (options.replication > options.cluster.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--replication: ", options.replication, " does not do: --cluster has ",
        options.cluster.size(), " nodes"));
  }
  const cluster::ClusterSpec spec{.nodes = options.cluster};
  const cluster::NodeAddress* const self = spec.Find(options.node);
  if (self == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--node: ", options.node.value(),
                     " is not in --cluster; a node that comes to a cluster "
                     "which runs already takes --join in its place"));
  }
  if (!set.contains("listen")) options.listen = self->api_address;
  if (!set.contains("peer_listen")) options.peer_listen = self->peer_address;
  if (!set.contains("data_dir")) {
    absl::StrAppend(&options.data_dir, "-", options.node.value());
  }
  return absl::OkStatus();
}

// More than a request costs in a mailbox beside its bytes.
constexpr uint64_t kMailboxItemBytes = 1 << 10;

absl::Status Validate(const Options& options) {
  RETURN_IF_ERROR(CheckAddress("listen", options.listen));
  RETURN_IF_ERROR(CheckAddress("peer_listen", options.peer_listen));
  RETURN_IF_ERROR(CheckAddress("http_listen", options.http_listen));
  for (const auto& [flag, address] :
       {std::pair<absl::string_view, std::string>{"advertise_peer",
                                                  options.advertise_peer},
        {"advertise_api", options.advertise_api}}) {
    if (address.empty()) continue;
    RETURN_IF_ERROR(CheckAddress(flag, address));
    RETURN_IF_ERROR(CheckReachable(flag, address));
  }
  const auto require = [](bool holds, absl::string_view what) {
    return holds ? absl::OkStatus() : absl::InvalidArgumentError(what);
  };
  const session::Limits& limits = options.partition.limits;
  RETURN_IF_ERROR(require(!options.data_dir.empty(), "--data_dir is empty"));
  RETURN_IF_ERROR(require(options.node.value() != 0 || options.managed,
                          "--node: 0 does not do: nodes count from 1"));
  RETURN_IF_ERROR(
      require(!options.cluster_name.empty(), "--cluster_name is empty"));
  const bool learns_partitions = !options.join.empty() || options.managed;
  RETURN_IF_ERROR(require((options.partitions >= 1 || learns_partitions) &&
                              options.partitions <= 10'000,
                          absl::StrCat("--partitions: ", options.partitions,
                                       " does not do: expected 1 to 10000")));
  RETURN_IF_ERROR(require(options.recover || !(options.dry_run || options.yes),
                          "--dry_run and --yes belong to --recover"));
  for (const auto& [flag, bytes] :
       {std::pair<absl::string_view, uint64_t>{
            "image_bytes_per_second", options.partition.image_bytes_per_second},
        {"image_send_bytes_per_second",
         options.transport.image_bytes_per_second}}) {
    RETURN_IF_ERROR(require(bytes > 0, absl::StrCat("--", flag,
                                                    ": 0 does not do: expected "
                                                    "1 or more")));
  }
  RETURN_IF_ERROR(require(options.workers <= 1024,
                          absl::StrCat("--workers: ", options.workers,
                                       " does not do: expected 0 to 1024")));
  RETURN_IF_ERROR(require(options.partition.raft.election_ticks >= 3,
                          "--election_timeout must be at least 3 times "
                          "--heartbeat_interval"));
  RETURN_IF_ERROR(
      require(limits.session_timeout_min_ns <= limits.session_timeout_max_ns,
              "--session_timeout_min is above --session_timeout_max"));
  RETURN_IF_ERROR(
      require(options.partition.undurable_bytes_max <=
                  options.partition.raft.uncommitted_bytes_max / 2,
              absl::StrCat("--undurable_bytes_max is above ",
                           options.partition.raft.uncommitted_bytes_max / 2)));
  RETURN_IF_ERROR(require(
      options.partition.raft.entry_bytes_max <= options.request_bytes_max,
      "--entry_bytes_max is above --request_bytes_max"));
  // What never fits would be refused for ever as if it might.
  RETURN_IF_ERROR(
      require(options.partition.raft.entry_bytes_max + kMailboxItemBytes <=
                  options.partition.mailbox_bytes_max,
              "--mailbox_bytes_max must be at least 1KiB above "
              "--entry_bytes_max"));
  RETURN_IF_ERROR(
      require(limits.filter_bytes_max + kMailboxItemBytes <=
                  options.partition.mailbox_keep_alive_bytes_max,
              "--mailbox_keep_alive_bytes_max must be at least 1KiB above "
              "--filter_bytes_max"));
  // What other nodes do not take would never be replicated, or passed on.
  return require(options.request_bytes_max <= transport::kPayloadBytesMax,
                 "--request_bytes_max is above 1GiB");
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& arguments) {
  ASSIGN_OR_RETURN(std::vector<Setting> given, SplitArguments(arguments));
  for (Setting& setting : given) {
    if (setting.name == "config" || setting.name == "c") {
      setting.value = Absolute(setting.value);
    }
  }
  ASSIGN_OR_RETURN(const std::vector<Setting> settings,
                   TranslateControllerFlags(given));
  std::string config_file;
  std::set<std::string> set;
  for (const Setting& setting : settings) {
    set.insert(setting.name);
    if (setting.name == "help" || setting.name == "h") {
      return CommandLine{.text = Help()};
    }
    if (setting.name == "config_file") config_file = Absolute(setting.value);
  }
  if (!config_file.empty()) {
    ASSIGN_OR_RETURN(const std::vector<Setting> lines,
                     ReadConfigFile(config_file));
    for (const Setting& setting : lines) {
      set.insert(setting.name);
      RETURN_IF_ERROR(Set(setting));
    }
  }
  for (const Setting& setting : settings) RETURN_IF_ERROR(Set(setting));

  CommandLine result;
  Options& options = result.options;
  for (const Row& row : Table()) {
    if (row.apply != nullptr) row.apply(options);
  }
  RETURN_IF_ERROR(SetCluster(set, options));
  RETURN_IF_ERROR(Validate(options));
  options.data_dir = Absolute(options.data_dir);
  options.service.limits = options.partition.limits;
  options.service.entry_bytes_max = options.partition.raft.entry_bytes_max;
  options.service.stream_hold_ns = options.partition.stream_hold_ns;
  return result;
}

}  // namespace server
