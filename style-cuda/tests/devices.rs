//! Device enumeration on this machine, with or without a device: no panic and no empty list.

use std::error::Error as _;

use style_core::ErrorKind;
use style_cuda::devices;

#[test]
fn lists_devices_or_says_what_is_missing() {
    match devices() {
        Ok(devices) => {
            assert!(!devices.is_empty());
            for (i, device) in devices.iter().enumerate() {
                println!("{device}");
                assert_eq!(device.index, i);
                assert!(!device.name.is_empty());
                assert!(device.compute_capability.0 > 0);
                assert!(device.total_memory > 0);
            }
        }
        Err(e) => {
            println!("{e}; source: {:?}", e.source());
            assert_eq!(e.kind(), ErrorKind::Unavailable);
            assert!(e.to_string().contains("CPU backend"), "no advice: {e}");
        }
    }
}

#[test]
fn asked_again_answers_the_same() {
    let answer = || devices().map_err(|e| (e.kind(), e.to_string()));
    let first = answer();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(answer)).collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), first);
    }
}
