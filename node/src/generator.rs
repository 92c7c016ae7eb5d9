//! The tables of the demo: a shop's customers and a bank's accounts, made from a seed, and the answer of the main job
//! over them in exact integer arithmetic, independent of the engine.
//!
//! Each person has a wealth that no table shows; who is wealthier buys more often, spends more and has more at the
//! bank. Amounts are log-normal, frequencies Poisson, ids unordered, rows shuffled. Three in five rows of each table
//! are persons that both know.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rand_distr::{Distribution, Poisson, StandardNormal};
use tacit_protocol::Number;

/// The most rows of a table.
pub const MAX_ROWS: u32 = 10_000_000;

/// A row of the shop's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The key.
    pub customer_id: String,
    /// Purchases in the last year.
    pub purchase_frequency: u32,
    /// What they came to, in cents.
    pub purchase_amount: i64,
}

/// A row of the bank's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The key.
    pub customer_id: String,
    /// The balance, in cents.
    pub account_balance: i64,
    /// What of it is under management, in cents.
    pub wealth_management_amount: i64,
}

/// Both tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoTables {
    /// The shop's.
    pub customers: Vec<Customer>,
    /// The bank's.
    pub accounts: Vec<Account>,
}

/// The answer of the main job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainAnswer {
    /// Persons in both tables.
    pub overlap: u64,
    /// How many of them the condition selects.
    pub number: u64,
    /// What they have under management together.
    pub cost: Number,
}

impl PlainAnswer {
    /// What they have under management on average; `None` if there are none.
    pub fn average(&self) -> Option<f64> {
        (self.number > 0).then(|| self.cost.to_f64() / self.number as f64)
    }
}

impl DemoTables {
    /// Tables of `rows` rows each, the same for the same seed and rows.
    ///
    /// # Panics
    /// There are more than [`MAX_ROWS`] rows.
    pub fn generate(seed: u64, rows: u32) -> Self {
        assert!(rows <= MAX_ROWS, "at most {MAX_ROWS} rows");
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let ids = Ids::new(&mut rng);
        let shared = rows / 5 * 3 + rows % 5 * 3 / 5;
        let mut tables = Self { customers: Vec::new(), accounts: Vec::new() };
        for person in 0..rows + (rows - shared) {
            let wealth: f64 = StandardNormal.sample(&mut rng);
            if person < rows {
                tables.customers.push(customer(ids.of(person), wealth, &mut rng));
            }
            if person < shared || person >= rows {
                tables.accounts.push(account(ids.of(person), wealth, &mut rng));
            }
        }
        tables.customers.shuffle(&mut rng);
        tables.accounts.shuffle(&mut rng);
        tables
    }

    /// Writes `customers.csv` and `accounts.csv` into a directory and gives their paths.
    ///
    /// # Errors
    /// The file system's own.
    pub fn write_csv(&self, directory: &Path) -> io::Result<(PathBuf, PathBuf)> {
        let customers = directory.join("customers.csv");
        let mut out = BufWriter::new(File::create(&customers)?);
        writeln!(out, "customer_id,purchase_frequency,purchase_amount")?;
        for row in &self.customers {
            writeln!(out, "{},{},{}", row.customer_id, row.purchase_frequency, Cents(row.purchase_amount))?;
        }
        out.flush()?;
        let accounts = directory.join("accounts.csv");
        let mut out = BufWriter::new(File::create(&accounts)?);
        writeln!(out, "customer_id,account_balance,wealth_management_amount")?;
        for row in &self.accounts {
            let (balance, managed) = (Cents(row.account_balance), Cents(row.wealth_management_amount));
            writeln!(out, "{},{balance},{managed}", row.customer_id)?;
        }
        out.flush()?;
        Ok((customers, accounts))
    }

    /// The answer of the main job: of the persons in both tables with more than 2 purchases of more than 5,000 in all
    /// and a balance above 5,000,000, how many there are and what they have under management.
    pub fn plain_answer(&self) -> PlainAnswer {
        let by_id: HashMap<&str, &Customer> =
            self.customers.iter().map(|customer| (customer.customer_id.as_str(), customer)).collect();
        let (mut overlap, mut number, mut cents) = (0, 0, 0_i128);
        for account in &self.accounts {
            let Some(customer) = by_id.get(account.customer_id.as_str()) else { continue };
            overlap += 1;
            let selected = customer.purchase_frequency > 2
                && customer.purchase_amount > 5_000 * 100
                && account.account_balance > 5_000_000 * 100;
            if selected {
                number += 1;
                cents += i128::from(account.wealth_management_amount);
            }
        }
        PlainAnswer { overlap, number, cost: Number::new(cents, 2).expect("a sum of at most 10^7 amounts below 10^12") }
    }
}

fn customer(customer_id: String, wealth: f64, rng: &mut ChaCha20Rng) -> Customer {
    const MOST_PURCHASES: f64 = 365.0;
    let purchases = Poisson::new((1.45 + 0.35 * wealth).exp()).expect("a positive mean").sample(rng);
    let spread: f64 = StandardNormal.sample(rng);
    Customer {
        customer_id,
        purchase_frequency: purchases.min(MOST_PURCHASES) as u32,
        purchase_amount: cents(9_000.0 * (0.6 * wealth + 0.7 * spread).exp(), 9_999_999.99),
    }
}

fn account(customer_id: String, wealth: f64, rng: &mut ChaCha20Rng) -> Account {
    /// One client in ten manages the fortune alone.
    const WITHOUT_MANDATE: f64 = 0.1;
    let spread: f64 = StandardNormal.sample(rng);
    let account_balance = cents(6_000_000.0 * (0.9 * wealth + 0.6 * spread).exp(), 999_999_999.99);
    let managed = if rng.random::<f64>() < WITHOUT_MANDATE { 0.0 } else { rng.random_range(0.15..0.85) };
    let wealth_management_amount = cents(account_balance as f64 / 100.0 * managed, 999_999_999.99);
    Account { customer_id, account_balance, wealth_management_amount }
}

fn cents(amount: f64, most: f64) -> i64 {
    (amount.min(most) * 100.0).round() as i64
}

/// A secret numbering of persons: numbers of eight digits that tell nothing of the order.
struct Ids {
    factor: u64,
    start: u64,
}

impl Ids {
    const NUMBERS: u64 = 100_000_000;

    fn new(rng: &mut ChaCha20Rng) -> Self {
        // Coprime to 10^8, so that different persons get different numbers.
        let factor = rng.random_range(1_000_000..9_000_000) * 10 + 7;
        Self { factor, start: rng.random_range(0..Self::NUMBERS) }
    }

    fn of(&self, person: u32) -> String {
        format!("C{:08}", (u64::from(person) * self.factor + self.start) % Self::NUMBERS)
    }
}

/// An amount in cents, as text in units.
struct Cents(i64);

impl std::fmt::Display for Cents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_and_rows_give_the_same_tables() {
        assert_eq!(DemoTables::generate(1, 300), DemoTables::generate(1, 300));
        assert_ne!(DemoTables::generate(1, 300), DemoTables::generate(2, 300));
    }

    #[test]
    fn three_in_five_persons_are_in_both_tables_and_ids_are_unique() {
        for rows in [1, 2, 7, 1_000, 4_999] {
            let tables = DemoTables::generate(5, rows);
            assert_eq!((tables.customers.len(), tables.accounts.len()), (rows as usize, rows as usize));
            assert_eq!(tables.plain_answer().overlap, u64::from(rows) * 3 / 5);
            let ids: HashSet<_> = tables.customers.iter().map(|row| &row.customer_id).collect();
            assert_eq!(ids.len(), rows as usize);
            let ids: HashSet<_> = tables.accounts.iter().map(|row| &row.customer_id).collect();
            assert_eq!(ids.len(), rows as usize);
        }
    }

    #[test]
    fn the_selection_and_its_complement_pass_the_minimum_at_every_size() {
        let sizes = [(1_000, 20), (2_000, 10), (5_000, 10), (20_000, 3), (100_000, 1), (1_000_000, 1)];
        for (rows, seeds) in sizes {
            for seed in 0..seeds {
                let answer = DemoTables::generate(seed, rows).plain_answer();
                assert!(answer.number >= 120, "{rows} rows, seed {seed}: {} selected", answer.number);
                assert!(answer.overlap - answer.number >= 100, "{rows} rows, seed {seed}: {} selected", answer.number);
            }
        }
    }

    #[test]
    fn the_plain_answer_of_a_table_done_by_hand() {
        let customer = |id: &str, purchase_frequency, purchase_amount| Customer {
            customer_id: id.into(),
            purchase_frequency,
            purchase_amount,
        };
        let account = |id: &str, account_balance, wealth_management_amount| Account {
            customer_id: id.into(),
            account_balance,
            wealth_management_amount,
        };
        let tables = DemoTables {
            customers: vec![
                customer("a", 3, 500_001),
                customer("b", 2, 900_000),
                customer("c", 9, 500_000),
                customer("d", 3, 500_001),
                customer("e", 8, 800_000),
                customer("f", 8, 800_000),
            ],
            accounts: vec![
                account("a", 500_000_001, 1_025),
                account("b", 900_000_000, 1),
                account("c", 900_000_000, 2),
                account("d", 500_000_000, 4),
                account("e", 900_000_000, 2_000),
                account("x", 900_000_000, 8),
            ],
        };
        let answer = tables.plain_answer();
        assert_eq!((answer.overlap, answer.number, answer.cost.to_string().as_str()), (5, 2, "30.25"));
        assert_eq!(answer.average(), Some(15.125));
    }
}
