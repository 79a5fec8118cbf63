//! Tokens and keys, from the environment variables and files that other tools use.

use configparser::ini::Ini;
use std::env;
use std::fs;
use std::path::PathBuf;

/// Most bytes of a file of credentials.
const LIMIT: u64 = 1 << 20;

fn home() -> Option<PathBuf> {
    env::var_os("HOME").or_else(|| env::var_os("USERPROFILE")).map(PathBuf::from)
}

fn text(path: PathBuf) -> Option<String> {
    let bytes = crate::bytes::read_small(&path, LIMIT).ok()?;
    String::from_utf8(bytes).ok()
}

/// Returns the token of the hub: `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, or the file that its own command writes.
pub(super) fn hub_token() -> Option<String> {
    let set = |name| env::var(name).ok();
    let file = || {
        let path = env::var_os("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| {
            let folder = env::var_os("HF_HOME").map(PathBuf::from).or_else(|| Some(home()?.join(".cache/huggingface")));
            Some(folder?.join("token"))
        });
        text(path?)
    };
    let token = set("HF_TOKEN").or_else(|| set("HUGGING_FACE_HUB_TOKEN")).or_else(file)?;
    Some(token.trim().to_owned()).filter(|token| !token.is_empty())
}

/// Returns the address of the hub. `HF_ENDPOINT` names a mirror.
pub(super) fn hub_endpoint() -> String {
    let set = env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    set.unwrap_or_else(|| "https://huggingface.co".to_owned()).trim_end_matches('/').to_owned()
}

/// Returns the settings of the profile in the files of the AWS command, by their names there.
///
/// Environment variables come before them, as in that command.
pub(super) fn aws_profile() -> Vec<(String, String)> {
    let profile = env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned());
    let file = |variable, name| {
        let path = env::var_os(variable).map(PathBuf::from).or_else(|| Some(home()?.join(".aws").join(name)));
        path.filter(|path| fs::metadata(path).is_ok())
    };
    let mut found = Vec::new();
    // In the file `config`, the sections of all profiles but the default one have a word in front.
    let config = if profile == "default" { profile.clone() } else { format!("profile {profile}") };
    let files = [("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile), ("AWS_CONFIG_FILE", "config", config)];
    for (variable, name, section) in files {
        let Some(text) = file(variable, name).and_then(text) else { continue };
        let mut ini = Ini::new_cs();
        if ini.read(text).is_err() {
            continue;
        }
        for key in ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "endpoint_url"] {
            found.extend(ini.get(&section, key).map(|value| (key.to_owned(), value)));
        }
    }
    found
}
