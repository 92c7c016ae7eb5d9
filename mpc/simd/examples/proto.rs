use tacit_simd::*;
fn cpu() -> u64 {
    std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap()
}
fn best(what: &str, per: usize, mut f: impl FnMut()) {
    let mut best = u64::MAX;
    for _ in 0..40 {
        let t = std::time::Instant::now();
        f();
        best = best.min(t.elapsed().as_nanos() as u64);
    }
    let _ = cpu();
    println!("{what} {:.3} ns", best as f64 / per as f64);
}
fn main() {
    for level in [Level::Portable, Level::Avx2] {
        println!("{level:?}");
        let key = Key::new(level, 7);
        let mut nodes = vec![1u128; 2048];
        nodes[1] = 5;
        best("expand", 20 * 2048, || {
            for _ in 0..20 {
                let mut p = 2;
                while p < 2048 {
                    std::hint::black_box(expand(&key, &mut nodes, p));
                    p *= 2;
                }
            }
        });
        best("flip", 20 * 2048, || {
            for i in 0..20 {
                let mut p = 2;
                while p <= 2048 {
                    flip_pair(level, &mut nodes[..p], i % p, [3, 4], !0);
                    p *= 2;
                }
            }
        });
        let w = vec![77u64; 2048];
        best("weigh", 20 * 2048, || {
            for _ in 0..20 {
                std::hint::black_box(weigh(level, &nodes, &w));
            }
        });
        for lk in [12, 16, 17, 18, 19] {
            let mut table = Table::zeroed(1 << lk);
            table.fill(3);
            let code = Code::new(level, 9);
            best(&format!("add {lk}"), 20 * 2048, || {
                for i in 0..20 {
                    code.add(&table, i * 2048, &mut nodes, !1);
                }
            });
        }
    }
}
