//! Writers and readers of one store for a long time: `cargo run --release -p neural-phylogeny-evaluation --bin soak -- FOLDER SECONDS [kill]`.
//!
//! Four processes add, remove, query and list sketches of one store at random. With `kill`, one of them is killed (`kill -9`) every few
//! milliseconds and begun anew. Each process says what it begins and what it has done. So it is known afterwards what the store must hold,
//! and what it may hold: a killed process may or may not have done what it had begun.
//!
//! Told are operations, errors, answers that are wrong, what was lost, and the memory of the processes at the start and at the end.

use neural_phylogeny::query::Query;
use neural_phylogeny::sketch::{Sketch, SketchSettings};
use neural_phylogeny::store::SketchStore;
use neural_phylogeny::{Error, InMemory};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn StdError>>;

const PROCESSES: usize = 4;
const FAMILIES: usize = 12;
const MEMBERS: usize = 16;
/// Turns after which a process has made its threads and buffers.
const WARM: u64 = 1024;

const ROWS: usize = 60;
const COLUMNS: usize = 50;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["worker", folder, number, seed] => work(Path::new(folder), number.parse()?, seed.parse()?),
        [folder, seconds] => soak(Path::new(folder), seconds.parse()?, Ending::Asked),
        [folder, seconds, "kill"] => soak(Path::new(folder), seconds.parse()?, Ending::Killed),
        _ => {
            println!("usage: soak FOLDER SECONDS [kill]");
            Ok(())
        }
    }
}

/// How the processes end.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    Asked,
    Killed,
}

fn settings() -> SketchSettings {
    SketchSettings::new().with_width(512)
}

fn noise(seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..ROWS * COLUMNS).map(|_| rng.gen_range(-1.0..1.0)).collect()
}

/// Names and sketches of all models: families of a root and its children.
fn models() -> Outcome<BTreeMap<String, Sketch>> {
    let mut all = BTreeMap::new();
    for family in 0..FAMILIES {
        let root = noise(family as u64);
        for member in 0..MEMBERS {
            let moved = noise((1000 + family * MEMBERS + member) as u64);
            let share = if member == 0 { 0.0 } else { 0.1 };
            let values = root.iter().zip(moved).map(|(w, e)| w + share * e).collect();
            let model = InMemory::new().with_parameter("w.weight", [ROWS, COLUMNS], values)?;
            all.insert(format!("{family}/{member}"), Sketch::compute(&model, &settings().with_threads(1))?);
        }
    }
    Ok(all)
}

fn family(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

/// The memory of this process, in KiB.
fn memory() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok()).unwrap_or_default() * 4
}

/// One process. It owns every fourth model: no other adds or removes these.
fn work(folder: &Path, number: usize, seed: u64) -> Outcome<()> {
    let models = models()?;
    let contents: BTreeMap<&str, String> = models.iter().map(|(name, s)| (name.as_str(), s.content())).collect();
    let own: Vec<(&String, &Sketch)> = models.iter().skip(number).step_by(PROCESSES).collect();
    let all: Vec<(&String, &Sketch)> = models.iter().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let parent = std::os::unix::process::parent_id();
    for turn in 0u64.. {
        if turn.is_multiple_of(64) {
            println!("memory {turn} {}", memory());
        }
        if std::os::unix::process::parent_id() != parent {
            break;
        }
        let store = SketchStore::open_or_create(folder, &settings())?;
        let (name, sketch) = own[rng.gen_range(0..own.len())];
        match rng.gen_range(0..10) {
            0..4 => {
                println!("begin add {name}");
                told(store.add(name, sketch).map(|_| format!("did add {name}")));
            }
            4..7 => {
                println!("begin remove {name}");
                match store.remove(name) {
                    Err(Error::UnknownModel { .. }) => println!("did remove {name}"),
                    other => told(other.map(|()| format!("did remove {name}"))),
                }
            }
            7..9 => {
                let (asked, sketch) = all[rng.gen_range(0..all.len())];
                let answer = Query::new(&store).run("asked", sketch);
                if let Ok(answer) = &answer {
                    let strangers = answer.parents().iter().map(|e| answer.phylogeny.name(e.parent));
                    strangers.filter(|p| family(p) != family(asked)).for_each(|p| println!("wrong {p} of {asked}"));
                }
                told(answer.map(|_| "did query".to_owned()));
            }
            _ => {
                let listed = store.readable_entries();
                if let Ok((entries, problems)) = &listed {
                    let wrong = entries.iter().filter(|e| contents.get(e.name.as_str()) != Some(&e.content));
                    wrong.for_each(|e| println!("wrong content of {}", e.name));
                    problems.iter().for_each(|(path, problem)| println!("error {}: {problem}", path.display()));
                }
                told(listed.map(|_| "did list".to_owned()));
            }
        }
    }
    Ok(())
}

fn told(outcome: Result<String, Error>) {
    match outcome {
        Ok(done) => println!("{done}"),
        Err(error) => println!("error {error}"),
    }
}

/// What the processes said.
#[derive(Default)]
struct Said {
    done: BTreeMap<&'static str, u64>,
    errors: Vec<String>,
    wrong: Vec<String>,
    /// For each model, whether it must be there; `None` where a process was killed in between.
    state: BTreeMap<String, Option<bool>>,
    /// For each process, its memory in KiB: at its start, warm, and now.
    memory: BTreeMap<usize, [usize; 3]>,
}

impl Said {
    fn hear(&mut self, number: usize, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.split_once(' ')) {
            ("begin", Some((_, name))) => _ = self.state.insert(name.to_owned(), None),
            ("did", Some((verb, name))) => {
                let verb = if verb == "add" { "add" } else { "remove" };
                *self.done.entry(verb).or_default() += 1;
                self.state.insert(name.to_owned(), Some(verb == "add"));
            }
            ("did", None) => *self.done.entry(if rest == "query" { "query" } else { "list" }).or_default() += 1,
            ("memory", Some((turn, now))) => {
                let now = now.parse().unwrap_or_default();
                let known = self.memory.entry(number).or_insert([now; 3]);
                known[2] = now;
                if turn.parse().is_ok_and(|turn: u64| turn <= WARM) {
                    known[1] = now;
                }
            }
            ("wrong", _) => self.wrong.push(rest.to_owned()),
            _ => self.errors.push(line.to_owned()),
        }
    }
}

/// A process, and the thread that listens to it.
struct Worker {
    child: Child,
    listener: JoinHandle<()>,
}

fn start(folder: &Path, number: usize, seed: u64, said: &Arc<Mutex<Said>>) -> Outcome<Worker> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").arg(folder).args([number.to_string(), seed.to_string()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let said = Arc::clone(said);
    // The last line of a killed process may be a part of one.
    let listener = thread::spawn(move || {
        lines.map_while(Result::ok).for_each(|line| said.lock().unwrap_or_else(|e| e.into_inner()).hear(number, &line));
    });
    Ok(Worker { child, listener })
}

fn stop(mut worker: Worker) -> Outcome<()> {
    worker.child.kill()?;
    worker.child.wait()?;
    worker.listener.join().map_err(|_| "a listener failed")?;
    Ok(())
}

fn soak(folder: &Path, seconds: u64, ending: Ending) -> Outcome<()> {
    if folder.exists() {
        return Err(format!("{} exists, expected a new folder", folder.display()).into());
    }
    SketchStore::open_or_create(folder, &settings())?;
    let said = Arc::new(Mutex::new(Said::default()));
    let mut rng = ChaCha8Rng::seed_from_u64(seconds);
    let mut workers = Vec::new();
    for number in 0..PROCESSES {
        workers.push(start(folder, number, rng.r#gen(), &said)?);
    }
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        if ending == Ending::Asked {
            thread::sleep(Duration::from_millis(200));
            continue;
        }
        // Some die before their first operation.
        thread::sleep(Duration::from_millis(rng.gen_range(1..400)));
        let number = rng.gen_range(0..PROCESSES);
        // The new one begins when the old one's last word is heard.
        stop(workers.remove(number))?;
        kills += 1;
        workers.insert(number, start(folder, number, rng.r#gen(), &said)?);
    }
    for worker in workers {
        stop(worker)?;
    }
    let said = said.lock().unwrap_or_else(|e| e.into_inner());
    report(folder, seconds, kills, &said)
}

fn report(folder: &Path, seconds: u64, kills: usize, said: &Said) -> Outcome<()> {
    let operations: u64 = said.done.values().sum();
    let each: Vec<String> = said.done.iter().map(|(verb, n)| format!("{n} {verb}")).collect();
    println!("{seconds} s, {PROCESSES} processes, {kills} kills: {operations} operations ({})", each.join(", "));
    println!("errors {}, wrong answers {}", said.errors.len(), said.wrong.len());
    said.errors.iter().chain(&said.wrong).take(10).for_each(|line| println!("  {line}"));
    for (number, [first, warm, last]) in said.memory.iter().filter(|_| kills == 0) {
        println!("memory of process {number}: {first} KiB at the start, {warm} after {WARM} turns, {last} at the end");
    }

    // What is left of killed writers is no sketch, and the next writer removes it.
    let models = models()?;
    let store = SketchStore::open(folder)?;
    let left = store.verify()?;
    let damaged = store.readable_entries()?.1.len();
    let (name, sketch) = models.iter().next().ok_or("no model")?;
    store.replace(name, sketch)?;
    store.remove(name)?;
    let after = store.verify()?;
    println!(
        "temporary files of killed writers: {}, after the next writer {}",
        left.len() - damaged,
        after.len() - damaged
    );

    let entries = store.entries()?;
    let present = |name: &str| entries.iter().any(|e| e.name == name);
    let known = said.state.iter().filter(|(other, state)| *other != name && state.is_some());
    let lost: Vec<&String> = known.clone().filter(|(n, s)| **s == Some(true) && !present(n)).map(|(n, _)| n).collect();
    let risen: Vec<&String> = known.clone().filter(|(n, s)| **s == Some(false) && present(n)).map(|(n, _)| n).collect();
    println!("{} models checked: lost {}, come back {}, damaged {damaged}", known.count(), lost.len(), risen.len());

    // The index that the writers left, against one that is made anew.
    let mut unlike = 0;
    let near = |store: &SketchStore, sketch: &Sketch| -> Outcome<_> {
        let nearest = store.nearest(sketch, 32)?;
        Ok((nearest.stored, nearest.kin, nearest.identical))
    };
    let old: Vec<_> = models.values().map(|sketch| near(&store, sketch)).collect::<Outcome<_>>()?;
    let _ = fs::remove_file(folder.join("index.safetensors"));
    for (sketch, old) in models.values().zip(old) {
        unlike += usize::from(near(&store, sketch)? != old);
    }
    println!("{} searches by the index and by a new one: {unlike} differ", models.len());
    let whole = said.errors.is_empty() && said.wrong.is_empty() && lost.is_empty() && risen.is_empty() && damaged == 0;
    if whole && unlike == 0 && after.is_empty() { Ok(()) } else { Err("something was lost or wrong".into()) }
}
