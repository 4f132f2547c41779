//! Painting by request: progress, settings, masks, snapshots, the queue, and what outlives the server.

use serde_json::{Value, json};
use style_transfer::Image;
use style_transfer::pictures::{Format, Picture};

use crate::client::{Studio, photo};

/// A job that ends soon.
fn short() -> Value {
    json!({"side": 64, "iterations": 3})
}

/// A job that does not end during a test.
fn long() -> Value {
    json!({"side": 96, "iterations": 1000})
}

fn has_painted(job: &Value) -> bool {
    job["curve"].as_array().is_some_and(|curve| curve.len() > 1)
}

fn generation(job: &Value) -> u64 {
    job["generation"].as_u64().expect("a number")
}

#[test]
fn a_job_paints_and_is_downloaded() {
    let studio = Studio::new();
    let id = studio.job(&short());
    let job = studio.until_state(&id, "done");
    assert_eq!(job["size"], json!([64, 48]));
    assert_eq!(job["curve"].as_array().map(Vec::len), Some(3));
    assert_eq!(job["progress"]["iteration"], 3);
    for (name, kind, magic) in [
        ("painted.png", "image/png", &b"\x89PNG"[..]),
        ("painted.tif", "image/tiff", b"II*\0"),
        ("preview.jpg", "image/jpeg", b"\xff\xd8"),
    ] {
        let answer = studio.get(&format!("api/jobs/{id}/files/{name}"));
        assert_eq!(answer.header("content-type"), Some(kind));
        assert!(answer.body.starts_with(magic), "{name}");
        let image = Picture::from_bytes(&answer.body).expect("a picture").image;
        assert_eq!((image.width(), image.height()), (64, 48), "{name}");
    }
    assert_eq!(studio.get(&format!("api/jobs/{id}/files/mask.png")).status, 404);
}

#[test]
fn a_page_is_told_everything_and_then_each_change() {
    let studio = Studio::new();
    let id = studio.job(&long());
    let events = studio.events(6);
    assert_eq!(events[0]["type"], "state");
    assert_eq!(events[0]["data"]["jobs"][0]["id"], id.as_str());
    let progress: Vec<_> = events.iter().filter(|event| event["type"] == "progress").collect();
    assert!(!progress.is_empty(), "{events:?}");
    assert!(progress.iter().all(|event| event["data"]["progress"]["iterations"].as_u64() > Some(100)));
}

#[test]
fn progress_tells_the_work_that_is_done_and_left() {
    let studio = Studio::new();
    // Scales of 136 and 192 pixels: an evaluation at the first is half the work of one at the second.
    let id = studio.job(&json!({"side": 192, "iterations": 4}));
    let job = studio.until_state(&id, "done");
    let work = |job: &Value| {
        let part = |name: &str| job["progress"][name].as_f64().expect("a number");
        (part("done"), part("left"))
    };
    let (done, left) = work(&job);
    assert!(left == 0.0 && (3.0..4.5).contains(&done), "{}", job["progress"]);
    assert!(done < job["progress"]["iterations"].as_f64().expect("a number"), "{}", job["progress"]);
    // All that a session does is known when it begins.
    let id = studio.job(&long());
    let first = studio.until(&id, "painting", |job| job["progress"].is_object());
    let later = studio.until(&id, "painting on", |job| work(job).0 > work(&first).0);
    let all = |job| work(job).0 + work(job).1;
    assert!((all(&first) - all(&later)).abs() < 1e-6 * all(&first), "{first} {later}");
}

#[test]
fn a_job_of_an_earlier_version_is_read() {
    let mut studio = Studio::new();
    let id = studio.job(&short());
    let job = studio.until_state(&id, "done");
    let record = studio.folder().join("jobs").join(&id).join("job.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&record).expect("is there")).expect("JSON");
    for name in ["done", "left"] {
        kept["progress"].as_object_mut().expect("an object").remove(name).expect("is there");
    }
    std::fs::write(&record, kept.to_string()).expect("writes");
    studio.restart();
    let after = studio.until_state(&id, "done");
    assert_eq!(after["progress"]["iteration"], job["progress"]["iteration"]);
}

#[test]
fn strength_and_colours_act_on_the_running_session() {
    let studio = Studio::new();
    let id = studio.job(&long());
    studio.until(&id, "painting", has_painted);
    assert_eq!(studio.send("PATCH", &format!("api/jobs/{id}"), &json!({"strength": 4, "colours": 1})).status, 204);
    let job = studio.look(&id);
    assert_eq!((&job["settings"]["strength"], generation(&job)), (&json!(4.0), 0));
    // With all of the photograph's colours, the chroma is the photograph's.
    let (painted, original) = (studio.picture(&id, "painted.png").image, studio.picture(&id, "original.jpg").image);
    let chroma = |image: &Image, i: usize| image.pixels()[i] - image.pixels()[i + image.width() * image.height()];
    let n = painted.width() * painted.height();
    let differs = (0..n).map(|i| f64::from((chroma(&painted, i) - chroma(&original, i)).abs())).sum::<f64>() / n as f64;
    assert!(differs < 20.0, "{differs}");
    studio.act(&id, "pause");
    studio.until_state(&id, "paused");
}

#[test]
fn a_paused_picture_is_shown_in_other_colours() {
    let studio = Studio::new();
    let id = studio.job(&long());
    studio.until(&id, "painting", has_painted);
    studio.act(&id, "pause");
    let before = studio.until_state(&id, "paused");
    let change = json!({"strength": 2, "colours": 1});
    assert_eq!(studio.send("PATCH", &format!("api/jobs/{id}"), &change).status, 204);
    let after = studio.look(&id);
    assert!(after["version"].as_u64() > before["version"].as_u64(), "the page keeps the picture in the old colours");
    assert_eq!((generation(&after), &after["state"]), (0, &json!("paused")));
}

#[test]
fn a_session_that_is_good_ends_early_and_goes_on_when_it_is_asked_to() {
    let studio = Studio::new();
    let id = studio.job(&long());
    let before = studio.until(&id, "painting", has_painted);
    assert_eq!(studio.send("PATCH", &format!("api/jobs/{id}"), &json!({"good": true})).status, 204);
    let job = studio.until_state(&id, "done");
    let evaluations = |job: &Value| job["progress"]["iteration"].as_u64().expect("a number");
    assert!(evaluations(&job) < 1000, "{}", job["progress"]);
    assert!(evaluations(&job) >= evaluations(&before), "it begins anew");
    assert_eq!((generation(&job), job["snapshots"].as_array().map(Vec::len)), (0, Some(0)), "the same session goes on");
    assert_eq!(job["progress"]["left"], json!(0.0), "{}", job["progress"]);
}

#[test]
fn strokes_repaint_and_seeds_start_over() {
    let studio = Studio::new();
    let id = studio.job(&long());
    studio.until(&id, "painting", has_painted);
    assert_eq!(studio.send("PATCH", &format!("api/jobs/{id}"), &json!({"stroke": 0.7})).status, 204);
    let job = studio.until(&id, "repainted", |job| generation(job) == 1 && has_painted(job));
    assert!(job["begin"]["picture"]["from"].is_u64(), "{}", job["begin"]);
    assert_eq!(job["snapshots"].as_array().map(Vec::len), Some(1));
    assert_eq!(studio.send("PATCH", &format!("api/jobs/{id}"), &json!({"seed": 7})).status, 204);
    let job = studio.until(&id, "begun again", |job| generation(job) == 2 && has_painted(job));
    assert_eq!(job["begin"], "photograph");
}

#[test]
fn a_pause_frees_the_worker_and_a_queue_goes_on() {
    let studio = Studio::new();
    let first = studio.job(&long());
    let second = studio.job(&short());
    studio.until(&first, "painting", has_painted);
    assert_eq!(studio.look(&second)["place"], 1);
    studio.act(&first, "pause");
    studio.until_state(&second, "done");
    let paused = studio.until_state(&first, "paused");
    assert_eq!(paused["version"], studio.look(&first)["version"], "it paints while it is paused");
    studio.act(&first, "resume");
    let job = studio.until(&first, "going on", |job| {
        job["state"] == "painting" && job["progress"]["iteration"].as_u64() > paused["progress"]["iteration"].as_u64()
    });
    assert_eq!(generation(&job), 0);
    // What is done is painted further.
    studio.act(&first, "pause");
    studio.act(&second, "resume");
    studio.until(&second, "painted further", |job| job["state"] == "done" && generation(job) == 1);
    for id in [&first, &second] {
        assert_eq!(studio.ask("DELETE", &format!("api/jobs/{id}"), "", b"").status, 204);
    }
    assert!(studio.jobs().is_empty());
    assert_eq!(std::fs::read_dir(studio.folder().join("jobs")).expect("reads").count(), 0);
}

#[test]
fn a_mask_protects_the_photograph() {
    let studio = Studio::new();
    let id = studio.job(&json!({"side": 96, "iterations": 6}));
    studio.until_state(&id, "done");
    // The left half is protected.
    let values: Vec<u8> = (0..96 * 72).flat_map(|i| [if i % 96 < 48 { 0 } else { 255 }; 3]).collect();
    let mask =
        Picture::from(Image::from_rgb8(96, 72, &values).expect("an image")).encode(Format::Png).expect("encodes");
    let path = format!("api/jobs/{id}/mask");
    assert_eq!(studio.ask("PUT", &path, "image/png", &mask).status, 204);
    studio.until(&id, "painted under the mask", |job| job["state"] == "done" && generation(job) == 1);
    let (painted, original) = (studio.picture(&id, "painted.png").image, photo().image);
    let differs = |columns: std::ops::Range<usize>| {
        let at = columns.flat_map(|x| (0..72).map(move |y| y * 96 + x));
        at.map(|i| (painted.pixels()[i] - original.pixels()[i]).abs()).fold(0.0, f32::max)
    };
    assert!(differs(0..44) <= 1.0, "{}", differs(0..44));
    assert!(differs(52..96) > 8.0, "{}", differs(52..96));
    let black = Picture::from(Image::from_rgb8(96, 72, &[0; 96 * 72 * 3]).expect("an image"));
    let answer = studio.ask("PUT", &path, "image/png", &black.encode(Format::Png).expect("encodes"));
    assert!(answer.status == 400 && answer.text().contains("leave some of it"), "{}", answer.text());
    assert_eq!(studio.ask("DELETE", &path, "", b"").status, 204);
    studio.until(&id, "painted without a mask", |job| job["state"] == "done" && job["mask"] == 0);
}

#[test]
fn a_snapshot_brings_its_picture_and_settings_back() {
    let studio = Studio::new();
    let id = studio.job(&json!({"side": 96, "iterations": 4, "strength": 2}));
    studio.until_state(&id, "done");
    let kept = studio.picture(&id, "painted.png").image;
    studio.act(&id, "snapshots");
    assert_eq!(studio.send("PATCH", &format!("api/jobs/{id}"), &json!({"strength": 0.1, "seed": 3})).status, 204);
    studio.until(&id, "painted anew", |job| job["state"] == "done" && generation(job) == 1);
    assert_ne!(studio.picture(&id, "painted.png").image, kept);
    let job = studio.look(&id);
    let number =
        &job["snapshots"].as_array().and_then(|all| all.iter().find(|s| s["why"] == "kept")).expect("kept")["number"];
    assert_eq!(studio.get(&format!("api/jobs/{id}/snapshots/{number}")).header("content-type"), Some("image/jpeg"));
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/snapshots/{number}"), "", b"").status, 204);
    let job = studio.until_state(&id, "paused");
    assert_eq!((&job["settings"]["strength"], &job["settings"]["seed"]), (&json!(2.0), &json!(0)));
    assert_eq!(studio.picture(&id, "painted.png").image, kept);
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/snapshots/99"), "", b"").status, 404);
}

#[test]
fn a_way_back_keeps_the_picture_that_it_leaves() {
    let studio = Studio::new();
    let id = studio.job(&json!({"side": 96, "iterations": 4}));
    studio.until_state(&id, "done");
    let snapshots = || studio.look(&id)["snapshots"].as_array().cloned().expect("a list");
    let go = |number: &Value| {
        assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/snapshots/{number}"), "", b"").status, 204);
        studio.until_state(&id, "paused");
        studio.picture(&id, "painted.png").image
    };
    studio.act(&id, "snapshots");
    let first = studio.picture(&id, "painted.png").image;
    assert_eq!(studio.send("PATCH", &format!("api/jobs/{id}"), &json!({"seed": 3})).status, 204);
    studio.until(&id, "painted anew", |job| job["state"] == "done" && generation(job) == 1);
    let second = studio.picture(&id, "painted.png").image;
    let before = snapshots();
    assert_eq!(go(&before[0]["number"]), first);
    let after = snapshots();
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[before.len()]["settings"]["seed"], 3);
    assert_eq!(go(&after[before.len()]["number"]), second, "the finished picture is still there");
    assert_eq!(snapshots(), after, "what has not changed is not kept twice");
    // Nor is a picture that was kept a moment ago.
    studio.act(&id, "resume");
    studio.until_state(&id, "done");
    studio.act(&id, "snapshots");
    let after = snapshots();
    assert_eq!(go(&after[0]["number"]), first);
    assert_eq!(snapshots(), after);
}

#[test]
fn a_way_back_from_a_running_job_keeps_its_picture() {
    let studio = Studio::new();
    let id = studio.job(&long());
    studio.until(&id, "painted", has_painted);
    studio.act(&id, "snapshots");
    // At the limit of kept ones, both the picture and where the way leads have a place.
    for _ in 1..22 {
        studio.act(&id, "snapshots");
    }
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/snapshots"), "", b"").status, 409);
    // A picture that has not changed since would not be kept again. The loss changes with it.
    let loss = |job: &Value| job["curve"].as_array().and_then(|curve| curve.last()?[2].as_f64());
    let job = studio.look(&id);
    let before = job["snapshots"].as_array().expect("a list").len();
    studio.until(&id, "painted further", |now| loss(now) != loss(&job));
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/snapshots/1"), "", b"").status, 204);
    let job = studio.until_state(&id, "paused");
    let after = job["snapshots"].as_array().expect("a list");
    assert_eq!(after.len(), before + 1);
    assert_eq!(after[before]["why"], "change");
}

#[test]
fn jobs_outlive_the_server() {
    let mut studio = Studio::new();
    let id = studio.job(&long());
    let waiting = studio.job(&short());
    studio.until(&id, "painting", |job| job["progress"]["iteration"].as_u64() > Some(20));
    let before = studio.look(&id);
    studio.restart();
    let after = studio.until(&id, "going on", |job| job["state"] == "painting" && has_painted(job));
    assert_eq!(generation(&after), 0);
    assert!(
        after["progress"]["iteration"].as_u64() >= before["progress"]["iteration"].as_u64(),
        "{}",
        after["progress"]
    );
    assert_eq!(studio.look(&waiting)["place"], 1);
    assert!(studio.picture(&id, "painted.png").long_side() == 96);
}

#[test]
fn a_killed_server_leaves_a_job_that_goes_on() {
    let mut studio = Studio::new();
    let id = studio.job(&long());
    let checkpoint = studio.folder().join(format!("jobs/{id}/checkpoint-0"));
    studio.until(&id, "kept", |job| checkpoint.exists() && job["progress"]["iteration"].as_u64() > Some(5));
    studio.act(&id, "pause");
    studio.until_state(&id, "paused");
    // As a kill leaves it: the record says that it paints, and the file that was being written is incomplete.
    let record = studio.folder().join(format!("jobs/{id}/job.json"));
    let text = std::fs::read_to_string(&record).expect("reads").replace("\"paused\"", "\"painting\"");
    std::fs::write(&record, text).expect("writes");
    std::fs::write(studio.folder().join(format!("jobs/{id}/.new-x")), "half").expect("writes");
    studio.restart();
    assert!(!studio.folder().join(format!("jobs/{id}/.new-x")).exists());
    let job = studio.until(&id, "going on", |job| job["state"] == "painting" && has_painted(job));
    assert!(generation(&job) == 0 && job["progress"]["iteration"].as_u64() > Some(5), "{job}");
    // A damaged checkpoint costs the work of its generation, not the job.
    studio.act(&id, "pause");
    studio.until_state(&id, "paused");
    std::fs::write(&checkpoint, "damaged").expect("writes");
    studio.restart();
    studio.act(&id, "resume");
    studio.until(&id, "painting again", |job| job["state"] == "painting" && has_painted(job));
}

#[test]
fn a_folder_has_one_server() {
    let studio = Studio::new();
    let mut options = style_studio::Options::new(studio.folder());
    options.port = Some(0);
    let e = style_studio::Server::start(options).expect_err("a second server");
    assert!(e.to_string().contains("another studio uses the folder"), "{e}");
}

#[test]
fn a_folder_with_other_files_is_not_touched() {
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::create_dir(folder.path().join("pictures")).expect("a folder");
    let own = folder.path().join("pictures").join(format!("{}.png", "5".repeat(32)));
    std::fs::write(&own, "mine").expect("writes");
    std::fs::write(folder.path().join("notes.txt"), "mine").expect("writes");
    let error = style_studio::Server::start(style_studio::Options::new(folder.path())).unwrap_err();
    assert!(error.to_string().contains("--dir"), "{error}");
    assert!(own.exists() && std::fs::read_dir(folder.path()).expect("a folder").count() == 2);
}

#[test]
fn a_job_that_cannot_be_read_keeps_its_pictures() {
    let mut studio = Studio::new();
    let id = studio.job(&short());
    studio.until_state(&id, "done");
    let record = studio.folder().join("jobs").join(&id).join("job.json");
    let good = std::fs::read_to_string(&record).expect("is there");
    let pictures = || std::fs::read_dir(studio.folder().join("pictures")).expect("a folder").count();
    let before = pictures();
    for bad in ["{}".to_owned(), good.replace("\"number\":1,", "\"number\":18446744073709551615,")] {
        assert_ne!(bad, good);
        std::fs::write(&record, bad).expect("writes");
        studio.restart();
        assert_eq!(studio.get("api/jobs").json()["data"]["jobs"], json!([]));
    }
    let pictures = std::fs::read_dir(studio.folder().join("pictures")).expect("a folder").count();
    assert_eq!(pictures, before);
    std::fs::write(&record, good).expect("writes");
    studio.restart();
    assert_eq!(studio.until_state(&id, "done")["id"], id.as_str());
}

#[test]
fn a_deleted_job_takes_its_pictures_along_and_no_more_requests() {
    let studio = Studio::new();
    let id = studio.job(&long());
    studio.until(&id, "painted", has_painted);
    let uploaded = || std::fs::read_dir(studio.folder().join("pictures")).expect("a folder").count();
    assert_eq!(uploaded(), 2);
    assert_eq!(studio.ask("DELETE", &format!("api/jobs/{id}"), "", b"").status, 204);
    // Whether it is gone already, or ends its evaluation.
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/pause"), "", b"").status, 404);
    let begun = std::time::Instant::now();
    while uploaded() > 0 {
        assert!(begun.elapsed().as_secs() < 60, "the pictures are still there");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(studio.get("api/jobs").json()["data"]["jobs"], json!([]));
}

#[test]
fn a_pause_does_not_undo_a_way_back() {
    let studio = Studio::new();
    let id = studio.job(&long());
    studio.until(&id, "painted", has_painted);
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/snapshots"), "", b"").status, 204);
    let before =
        generation(&studio.until(&id, "a snapshot", |job| job["snapshots"].as_array().is_some_and(|s| !s.is_empty())));
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/snapshots/1"), "", b"").status, 204);
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/pause"), "", b"").status, 204);
    assert!(generation(&studio.until_state(&id, "paused")) > before);
}

#[test]
fn a_photograph_may_be_too_narrow() {
    let studio = Studio::new();
    let strip = Picture::from(Image::from_planar(4000, 20, vec![90.0; 3 * 80_000]).expect("an image"));
    let strip = studio.upload(&strip);
    let description = json!({"photo": strip, "painting": strip, "settings": {"side": 256}});
    let answer = studio.send("POST", "api/jobs", &description);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("narrow"), "{}", answer.text());
}

#[test]
fn a_door_leads_to_the_address() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut options = style_studio::Options::new(folder.path());
    options.port = Some(0);
    let server = style_studio::Server::start(options).expect("starts");
    let door = std::fs::read_to_string(server.door().expect("is written")).expect("is there");
    assert!(door.contains(&server.address()), "{door}");
}
