// plant writes copies of the core's sources in which every mutant of
// mutants.txt can be switched on:
//
//   plant mutants.txt DIRECTORY FILE...
//
// writes DIRECTORY/planted_FILE for each, and DIRECTORY/planted_list.cc. What a
// mutant replaces must be there exactly once: whoever changes it looks at the
// mutant as well.

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Change {
  std::string file;
  std::string old_text;
  std::string new_text;
};

struct Mutant {
  std::string name;
  std::string rule;
  std::vector<Change> changes;
};

[[noreturn]] void Fail(const std::string& why) {
  std::cerr << "plant: " << why << "\n";
  std::exit(1);
}

std::string ReplaceAll(std::string text, const std::string& from,
                       const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::vector<Mutant> Read(std::istream& in) {
  std::vector<Mutant> mutants;
  std::string file;
  std::string line;
  char before = ' ';
  while (std::getline(in, line)) {
    const char kind = line.empty() ? ' ' : line[0];
    if (kind == '-' || kind == '+') {
      if (mutants.empty() || file.empty()) Fail("no file for: " + line);
      Mutant& mutant = mutants.back();
      if (kind == '-' && before != '-')
        mutant.changes.push_back({file, "", ""});
      if (mutant.changes.empty()) Fail("nothing is replaced by: " + line);
      Change& change = mutant.changes.back();
      std::string& text = kind == '-' ? change.old_text : change.new_text;
      text += ReplaceAll(line.substr(1), "PLANTED",
                         "IsPlanted(\"" + mutant.name + "\")") +
              "\n";
    } else if (kind != '#' && kind != ' ') {
      std::istringstream words(line);
      std::string word;
      words >> word;
      if (word == "mutant") {
        mutants.emplace_back();
        words >> mutants.back().name >> mutants.back().rule;
      } else if (word == "file") {
        words >> file;
      } else {
        Fail("what is this: " + line);
      }
    }
    before = kind;
  }
  return mutants;
}

bool IsBlank(char c) { return std::isspace(static_cast<unsigned char>(c)); }

// Where `pattern` ends if it is at `at`, blanks apart; npos: it is not.
size_t Match(const std::string& text, size_t at, const std::string& pattern) {
  if (IsBlank(text[at])) return std::string::npos;
  for (const char c : pattern) {
    if (IsBlank(c)) continue;
    while (at < text.size() && IsBlank(text[at])) ++at;
    if (at == text.size() || text[at] != c) return std::string::npos;
    ++at;
  }
  return at;
}

void Apply(const Change& change, const std::string& mutant, std::string& text) {
  std::vector<std::pair<size_t, size_t>> found;
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t end = Match(text, at, change.old_text);
    if (end != std::string::npos) found.emplace_back(at, end);
  }
  if (found.size() != 1) {
    Fail(mutant + ": found " + std::to_string(found.size()) +
         " times, not once, in " + change.file + ":\n" + change.old_text);
  }
  const auto [begin, end] = found.front();
  text.replace(begin, end - begin, change.new_text);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  if (!in) Fail("cannot read " + path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  if (!out.flush()) Fail("cannot write " + path);
}

std::string ListOf(const std::vector<Mutant>& mutants) {
  std::string text =
      "#include \"raft/mutants/planted.h\"\n\n"
      "namespace raft {\n"
      "const std::vector<Mutant>& CoreMutants() {\n"
      "  static const auto& list = *new std::vector<Mutant>{\n";
  for (const Mutant& mutant : mutants) {
    text += "      {\"" + mutant.name + "\", \"" + mutant.rule + "\"},\n";
  }
  return text + "  };\n  return list;\n}\n}  // namespace raft\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) Fail("usage: plant mutants.txt DIRECTORY FILE...");
  std::istringstream in(ReadFile(argv[1]));
  const std::vector<Mutant> mutants = Read(in);
  const std::string directory = std::string(argv[2]) + "/planted_";
  std::map<std::string, std::string> sources;  // By name without folder.
  for (int i = 3; i < argc; ++i) {
    const std::string path = argv[i];
    sources[path.substr(path.rfind('/') + 1)] = ReadFile(path);
  }
  for (const Mutant& mutant : mutants) {
    for (const Change& change : mutant.changes) {
      if (sources.count(change.file) == 0) Fail("no source " + change.file);
      Apply(change, mutant.name, sources[change.file]);
    }
  }
  for (const auto& [name, text] : sources) {
    WriteFile(directory + name,
              "#include \"raft/mutants/planted.h\"\n\n" + text);
  }
  WriteFile(directory + "list.cc", ListOf(mutants));
}
