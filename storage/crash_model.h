// CrashModel watches what a store does to its disk and can say what a power cut
// would leave of it: only synced bytes are certain, the rest is there in part,
// with holes, or not at all; new names, renames and deletions are certain once
// the directory was synced.
//
// It can also be the fault: the power goes, or one call fails, at a chosen
// call. Thread-safe.

#ifndef STORAGE_CRASH_MODEL_H_
#define STORAGE_CRASH_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/random.h"
#include "storage/io_hooks.h"

namespace storage {

class CrashModel : public IoHooks {
 public:
  // Keeps what was deleted in `graveyard`, a directory on the same disk that
  // must not exist and is removed with the model.
  explicit CrashModel(std::string graveyard);
  ~CrashModel() override;

  // Takes what is in `directory` for durable. Before a store opens it.
  void Adopt(const std::string& directory);

  // The power goes at the `nth` call from now (1 is the next): that call and
  // all later ones fail; half of an append may arrive.
  void CutPowerAt(uint64_t nth);

  // The `nth` call from now that `matches` fails with `fault`, once.
  void FailAt(uint64_t nth, IoFault fault,
              std::function<bool(const IoEvent&)> matches);

  // The cut, or the failure, has happened.
  bool fired() const;
  // What failed: "sync of log".
  std::string fired_on() const;
  uint64_t calls() const;

  // Makes the directory `to` as a power cut now would leave the database
  // directory `from`; what is certain by the above, and by `random` more.
  void WriteCrashImage(const std::string& from, const std::string& to,
                       base::Random& random) const;

  IoFault Before(const IoEvent& event) override;
  void After(const IoEvent& event, size_t bytes) override;

 private:
  // One file, under whatever name.
  struct File {
    std::string content;  // Where its bytes can be read.
    uint64_t size = 0;
    uint64_t synced_size = 0;
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;
  struct NameChange {
    IoCall call;
    std::string path;
    std::string target;
    std::shared_ptr<File> file;  // kCreate.
  };

  static void Apply(const NameChange& change, Names& names);

  // Keeps the bytes of `path`, which is about to lose its name.
  void Bury(const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string graveyard_;

  mutable base::Mutex mu_;
  uint64_t calls_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t cut_at_ ABSL_GUARDED_BY(mu_) = 0;   // A number of calls_; 0: never.
  uint64_t fail_in_ ABSL_GUARDED_BY(mu_) = 0;  // Matching calls; 0: never.
  IoFault fault_ ABSL_GUARDED_BY(mu_) = IoFault::kNone;
  std::function<bool(const IoEvent&)> matches_ ABSL_GUARDED_BY(mu_);
  bool dead_ ABSL_GUARDED_BY(mu_) = false;
  std::string fired_on_ ABSL_GUARDED_BY(mu_);
  uint64_t buried_ ABSL_GUARDED_BY(mu_) = 0;

  Names names_ ABSL_GUARDED_BY(mu_);          // As the process sees them.
  Names durable_names_ ABSL_GUARDED_BY(mu_);  // As of the last directory sync.
  // From durable_names_ to names_, in order.
  std::vector<NameChange> changes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace storage

#endif  // STORAGE_CRASH_MODEL_H_
