//! The date format of HTTP.

use core::fmt;

/// A point in time in the one format that HTTP senders use, such as
/// `Sun, 06 Nov 1994 08:49:37 GMT`: IMF-fixdate.
///
/// The caller passes the time. A server makes a new `Date` once a second, and writes it into every
/// response.
///
/// # RFC
/// RFC 9110 §5.6.7.
///
/// # Examples
/// ```
/// use sockeye_http::Date;
/// assert_eq!(Date::from_unix(784_111_777).as_bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Date([u8; 29]);

/// The last second of the year 9999: the format has four digits for a year.
const UNIX_MAX: u64 = 253_402_300_799;

impl Date {
    /// Formats seconds since 1970-01-01 00:00 UTC. Times beyond the year 9999 give that
    /// year's last second.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.min(UNIX_MAX);
        let days = seconds / 86_400;
        let clock = seconds % 86_400;
        let (year, month, day) = civil_date(days);
        // 1970-01-01 was a Thursday, and the names begin with it.
        // [rfc9110:5.6.7-imf-fixdate]
        let weekday = names(b"ThuFriSatSunMonTueWed", days % 7);
        let month = names(b"JanFebMarAprMayJunJulAugSepOctNovDec", month);
        let mut text = *b"Www, dd Mmm yyyy hh:mm:ss GMT";
        put(&mut text, 0, &weekday);
        put(&mut text, 5, &two_digits(day));
        put(&mut text, 8, &month);
        put(&mut text, 12, &two_digits(year / 100));
        put(&mut text, 14, &two_digits(year % 100));
        put(&mut text, 17, &two_digits(clock / 3600));
        put(&mut text, 20, &two_digits(clock / 60 % 60));
        put(&mut text, 23, &two_digits(clock % 60));
        Self(text)
    }

    /// Returns the 29 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// Returns (year, month from 0, day from 1) of a day counted from 1970-01-01.
///
/// Years are counted from 1 March, so that the leap day is a year's last, and in eras of 400
/// years, which all have the same number of days.
#[expect(clippy::arithmetic_side_effects, reason = "from_unix has bounded the days")]
fn civil_date(days: u64) -> (u64, u64, u64) {
    const FROM_0000_03_01: u64 = 719_468;
    let days = days + FROM_0000_03_01;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, months have 31, 30, 31, 30, 31 days, and again: 153 days in five months.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    (year, month, day)
}

/// Returns the three letters at a position of a run of names.
fn names(names: &[u8], position: u64) -> [u8; 3] {
    let (names, _) = names.as_chunks::<3>();
    let position = usize::try_from(position).unwrap_or_default();
    names.get(position).copied().unwrap_or_default()
}

fn two_digits(number: u64) -> [u8; 2] {
    [number / 10 % 10, number % 10].map(|digit| b'0'.wrapping_add(digit.to_le_bytes()[0]))
}

/// Copies `part` to `at`; the positions are those of the template.
fn put(text: &mut [u8; 29], at: usize, part: &[u8]) {
    for (place, byte) in text.iter_mut().skip(at).zip(part) {
        *place = *byte;
    }
}
