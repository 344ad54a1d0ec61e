// The same entries make the same state, whoever applies them, from wherever he
// starts: at every index of random histories (P51).

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "session/state_machine.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"

namespace session {
namespace {

using testing::KeptEntry;
using testing::KeptImage;
using testing::kSecond;
using testing::Replica;
using testing::ToString;

// Everything that depends on an entry's application and that a caller sees.
std::string Describe(const Applied& applied) {
  return std::to_string(static_cast<int>(applied.outcome)) + "/" +
         std::to_string(applied.index) + "/" +
         std::to_string(applied.session.value()) + "/" +
         std::to_string(applied.output.number) + "/" +
         ToString(applied.output.result) + "/" + applied.message;
}

// All that clients could read now.
std::string Visible(const Replica& replica) {
  std::string all;
  for (const SessionInfo& info :
       replica.machine().ListSessions(SessionId(0), 100)) {
    all += "s" + std::to_string(info.id.value()) + " " +
           std::to_string(info.deadline_ns) + " " +
           std::to_string(info.open_commands) + " " +
           std::to_string(info.cached_bytes) + "\n";
    for (uint64_t n = 0; n < 40; ++n) {
      all += std::to_string(n) + " " + replica.Outputs(info.id, n) + "\n";
    }
  }
  return all + std::to_string(replica.machine().next_due_ns()) + "\n" +
         std::to_string(replica.machine().size_bytes());
}

// Writes a random history into `replica`, a Checkpoint at every
// `checkpoint_every` entries, and calls `after` behind each.
template <class After>
void Live(Replica& replica, uint64_t seed, int steps, After after) {
  base::Random random(seed);
  std::vector<SessionId> sessions;
  std::vector<PrimitiveId> boxes;
  auto session = [&] {
    return sessions.empty() ? SessionId(1)
                            : sessions[random.Below(sessions.size())];
  };
  auto box = [&] {
    return boxes.empty() ? PrimitiveId(1) : boxes[random.Below(boxes.size())];
  };
  for (int step = 0; step < steps; ++step) {
    if (random.OneIn(4)) replica.Pass(random.Below(4) * kSecond / 2);
    if (random.OneIn(25)) replica.NewTerm();
    const uint64_t number = random.Below(40);
    const std::string key(1, static_cast<char>('a' + random.Below(4)));
    switch (random.Below(14)) {
      case 0:
        if (sessions.size() < 30) {
          sessions.push_back(replica.Open(random.Between(2, 12) * kSecond));
        } else {
          replica.Tick();
        }
        break;
      case 1:
        replica.Close(random.OneIn(4) ? session() : SessionId(999));
        break;
      case 2: {
        const PrimitiveId id =
            replica.Create(session(), number, random.OneIn(2) ? "one" : "two");
        if (id.value() != 0) boxes.push_back(id);
        break;
      }
      case 3:
        replica.ClosePrimitive(session(), number, box());
        break;
      case 4: {
        std::vector<uint64_t> running;
        std::vector<std::pair<uint64_t, uint64_t>> acks;
        for (uint64_t n = 0; n < 40; ++n) {
          if (random.OneIn(2)) running.push_back(n);
          if (random.OneIn(8)) acks.push_back({n, random.Below(6)});
        }
        replica.KeepAlive(session(), random.Below(40), running, acks);
        break;
      }
      case 5:
        replica.Cancel(session(), number);
        break;
      case 6:
        replica.Run(session(), number, box(), testing::kEvents,
                    random.OneIn(2) ? "" : key);
        break;
      case 7:
        replica.Run(session(), number, box(), testing::kLock,
                    random.OneIn(2) ? "" : "1500000000");
        break;
      case 8:
        replica.Run(session(), number, box(), testing::kUnlock);
        break;
      case 9:
        replica.Run(session(), number, box(), testing::kHold, "7");
        break;
      case 10:
        replica.Tick();
        break;
      default:
        replica.Run(session(), number, box(), testing::kPut,
                    key + " " + std::to_string(step) +
                        (random.OneIn(2) ? " 1000000000" : ""));
    }
    after();
    replica.Checkpoint();
    after();
  }
}

Limits TightLimits(uint64_t seed) {
  base::Random random(seed);
  Limits limits;
  limits.session_timeout_min_ns = 1;
  limits.reclaim_items_max = random.Between(1, 12);
  limits.stream_outputs_max = random.Between(2, 6);
  limits.mark_step_max = random.OneIn(2) ? 10 : 1000;
  return limits;
}

TEST(RestoreTest, ARestoreAtEveryIndexEqualsTheReplay) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Limits limits = TightLimits(seed);
    Replica first(limits);
    std::vector<KeptImage> images;  // After every second entry.
    std::vector<uint64_t> digests;
    std::vector<std::string> visible;
    Live(first, seed, 120, [&] {
      digests.push_back(first.machine().FullDigest());
      if (!first.machine().writing_checkpoint()) return;
      first.WriteImage(3);
      images.push_back(first.image());
      visible.push_back(Visible(first));
    });
    ASSERT_EQ(images.size(), 120u);
    for (size_t i = 0; i < images.size(); ++i) {
      Replica loaded = Replica::Load(images[i], limits);
      const uint64_t at = images[i].header.log_index;
      ASSERT_EQ(loaded.machine().FullDigest(), digests[at - 1])
          << "seed " << seed << " at " << at;
      ASSERT_EQ(Visible(loaded), visible[i]) << "seed " << seed;
      // The rest of the log, of which some suffixes are enough.
      const size_t end = std::min(first.log().size(), at + 60);
      for (size_t j = at; j < end; ++j) {
        loaded.ApplyKept(first.log()[j]);
        ASSERT_EQ(loaded.machine().FullDigest(), digests[j])
            << "seed " << seed << " from " << at << " at " << j + 1;
      }
    }
  }
}

TEST(RestoreTest, CheckpointsChangeNothing) {
  for (uint64_t seed = 20; seed < 26; ++seed) {
    const Limits limits = TightLimits(seed);
    Replica writes(limits), holds(limits);
    holds.machine().set_hold_checkpoints(true);
    base::Random random(seed);
    Live(writes, seed, 300, [&] {
      // Slowly, so that rows change while they are in a cut.
      if (writes.machine().writing_checkpoint() && random.OneIn(5)) {
        writes.WriteImage(2);
      }
    });
    Replica copy(limits);
    for (const KeptEntry& entry : writes.log()) {
      const Applied one = holds.ApplyKept(entry);
      const Applied two = copy.ApplyKept(entry);
      if (copy.machine().writing_checkpoint() && random.OneIn(7)) {
        copy.WriteImage(1);
      }
      ASSERT_EQ(Describe(one), Describe(two));
      ASSERT_EQ(holds.machine().FullDigest(), copy.machine().FullDigest());
    }
    EXPECT_FALSE(holds.machine().writing_checkpoint());
    EXPECT_EQ(writes.machine().FullDigest(), holds.machine().FullDigest());
    EXPECT_EQ(Visible(writes), Visible(holds));
  }
}

TEST(RestoreTest, AnImageWithAChangedRowIsRefused) {
  Replica replica;
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  replica.Run(session, 2, box, testing::kPut, "a 1");
  replica.Checkpoint();
  replica.WriteImage();
  const KeptImage& image = replica.image();
  for (size_t changed = 0; changed < image.rows.size(); ++changed) {
    StateMachine machine(testing::BoxRegistry(), Limits());
    absl::Status status = absl::OkStatus();
    for (size_t i = 0; i < image.rows.size() && status.ok(); ++i) {
      EncodedRow row = image.rows[i];
      if (i == changed) row.value.back() ^= 1;
      status = machine.LoadRow(row);
    }
    if (status.ok()) status = machine.FinishLoad(image.header);
    EXPECT_FALSE(status.ok()) << "row " << changed;
  }
}

TEST(RestoreTest, AnImageOfANewerVersionIsRefused) {
  Replica replica;
  replica.Open();
  replica.Checkpoint();
  replica.WriteImage();
  KeptImage image = replica.image();
  image.header.machine_version = kMachineVersionMax + 1;
  StateMachine machine(testing::BoxRegistry(), Limits());
  for (const EncodedRow& row : image.rows)
    ASSERT_TRUE(machine.LoadRow(row).ok());
  EXPECT_EQ(machine.FinishLoad(image.header).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(machine.CanLoad(kMachineVersionMax + 1).message(),
            "the image needs machine version 2 and this binary knows 1; "
            "install a newer multiraft on this node");
}

TEST(RestoreTest, ARecoveredPartitionGoesOnAtANewIndex) {
  Replica replica;
  replica.Open();
  replica.Checkpoint();
  replica.WriteImage();
  KeptImage image = replica.image();
  image.header.command_index += uint64_t{1} << 32;
  Replica loaded = Replica::Load(image);
  EXPECT_EQ(loaded.Open().value(), (uint64_t{1} << 32) + 2);
}

TEST(RestoreTest, TheEmptyImageIsANewPartition) {
  Replica loaded = Replica::Load({});
  EXPECT_EQ(loaded.Open(), SessionId(1));
}

}  // namespace
}  // namespace session
