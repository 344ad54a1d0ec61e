// What an entry costs: bazel run //session:apply_benchmark

#include <cstdint>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"

namespace session {
namespace {

using testing::Replica;

// `sessions` clients in turn; each acknowledges its answers every 256 commands.
void Commands(benchmark::State& state, uint32_t operation,
              const std::string& input, bool checkpoints) {
  const uint64_t sessions = state.range(0);
  Replica replica;
  std::vector<SessionId> ids;
  PrimitiveId box;
  for (uint64_t i = 0; i < sessions; ++i) {
    ids.push_back(replica.Open());
    box = replica.Create(ids.back(), 1, "b");
  }
  auto command = testing::PrimitiveCommandOf(ids[0], 2, box, operation, input);
  StateMachine& machine = replica.machine();
  uint64_t index = machine.applied_log_index();
  uint64_t round = 2;
  uint64_t next = 0;
  std::string payload;
  std::vector<EncodedRow> rows;
  for (auto _ : state) {
    state.PauseTiming();
    if (next == sessions) {
      next = 0;
      ++round;
      if (round % 256 == 0) {
        for (SessionId id : ids) {
          multiraft::disk::v1::Command keep_alive;
          keep_alive.mutable_keep_alive()->set_session_id(id.value());
          keep_alive.mutable_keep_alive()->set_last_input_sequence_num(round -
                                                                       1);
          *keep_alive.mutable_keep_alive()->mutable_input_filter() =
              testing::FilterOf({});
          payload = keep_alive.SerializeAsString();
          machine.Apply({++index, 1, 1, payload});
        }
        if (checkpoints) {
          multiraft::disk::v1::Command checkpoint;
          checkpoint.mutable_checkpoint();
          payload = checkpoint.SerializeAsString();
          machine.Apply({++index, 1, 1, payload});
        }
      }
    }
    command.mutable_session_command()->set_session_id(ids[next++].value());
    command.mutable_session_command()->set_sequence_num(round);
    payload = command.SerializeAsString();
    state.ResumeTiming();
    benchmark::DoNotOptimize(machine.Apply({++index, 1, 1, payload}));
    if (checkpoints && machine.writing_checkpoint()) {
      if (machine.EncodeSlice(8, 1 << 16, rows)) machine.ImageDurable();
      rows.clear();
    }
  }
}

void BM_Add(benchmark::State& state) {
  Commands(state, testing::kAdd, "", false);
}
BENCHMARK(BM_Add)->Arg(1)->Arg(128)->Arg(10000);

void BM_Put(benchmark::State& state) {
  Commands(state, testing::kPut, "key value", false);
}
BENCHMARK(BM_Put)->Arg(128);

// With checkpoints written between commands: what images add.
void BM_AddWithImages(benchmark::State& state) {
  Commands(state, testing::kAdd, "", true);
}
BENCHMARK(BM_AddWithImages)->Arg(128);

}  // namespace
}  // namespace session
