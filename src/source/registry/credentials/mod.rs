//! temp
use super::options::AuthFile;
use super::secret::Secret;
use crate::error::Result;
#[derive(Debug, Clone)]
pub enum Credentials { Anonymous, Password { user: String, password: Secret }, IdentityToken(Secret), RegistryToken(Secret) }
#[derive(Debug, Clone)]
pub struct Found { pub credentials: Credentials, pub source: String }
#[derive(Debug)]
pub struct Keyring { explicit: Option<(String, Secret)> }
/// x
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// x
    File(std::path::PathBuf),
    /// x
    Helper(String) }
impl Keyring {
    pub fn new(explicit: Option<(String, Secret)>, _files: Vec<AuthFile>) -> Self { Self { explicit } }
    pub fn find(&self, _h: &str, _r: &str, _w: &mut dyn FnMut(String)) -> Result<Found> {
        Ok(match &self.explicit { Some((u, p)) => Found { credentials: Credentials::Password { user: u.clone(), password: p.clone() }, source: "--creds".into() },
        None => Found { credentials: Credentials::Anonymous, source: "none".into() } })
    }
    pub fn keep(&self, _h: &str, _u: &str, _p: &Secret) -> Result<Kept> { todo!() }
    pub fn forget(&self, _h: &str) -> Result<bool> { todo!() }
}
