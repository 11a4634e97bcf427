//! The circuits of endpoints. An endpoint that was never in trouble has none; every change states the version that
//! it knows. A circuit that somebody has to look at is in the index `due`.

use std::sync::Arc;

use postrider_domain::circuit::{Circuit, CircuitState, Notice};
use postrider_domain::{EndpointId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::delivery_item::{RETENTION, TABLE};
use super::due::{self, DueShard};
use super::item::{decode, encode, invalid};
use crate::ports::table::{Expression, Item, Key, Put, Table, TableError};

/// The range key of circuits.
pub(super) const SORT_KEY: &str = "CIRCUIT";

/// How often a change is tried again when others change the circuit at the same time.
const TRIES: usize = 5;

/// How much of an error is kept, in characters.
const KEPT_OF_ERROR: usize = 300;

#[derive(Serialize, Deserialize)]
struct CircuitItem {
    pk: String,
    sk: String,
    /// JSON text.
    circuit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    version: u64,
    /// Seconds since the Unix epoch, for DynamoDB's TTL: a circuit that is closed is forgotten some day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct CircuitForm {
    state: StateForm,
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    openings: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing_since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_success_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_failure_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(default)]
    warned: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notices: Vec<NoticeForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateForm {
    Closed,
    Open { until: Option<u64>, by_hand: bool },
    HalfOpen { leases: Vec<u64> },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NoticeForm {
    Opened { at: u64 },
    Closed { at: u64 },
    Release,
    Probe { at: u64 },
    Warning { since: u64, percent: u8 },
    Disable { since: u64 },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The partition of what belongs to one endpoint beside its deliveries.
pub(super) fn partition(tenant: &TenantId, endpoint: EndpointId) -> String {
    format!("T#{tenant}#C#{endpoint}")
}

/// A circuit and whose it is.
#[derive(Debug, Clone)]
pub struct EndpointCircuit {
    /// The tenant.
    pub tenant: TenantId,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// The circuit.
    pub circuit: Circuit,
}

/// The circuits.
#[derive(Clone)]
pub struct Circuits(Arc<dyn Table>);

impl Circuits {
    /// The circuits in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// An endpoint's circuit. A consistent read sees every change that was acknowledged before.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        consistent: bool,
    ) -> Result<Circuit, TableError> {
        let item = self.0.get(TABLE, Key::new(partition(tenant, endpoint), SORT_KEY), consistent).await?;
        item.map_or_else(|| Ok(Circuit::default()), read)
    }

    /// Changes a circuit of which `known` is known, or that is read first. `change` says what it came to, or `None`
    /// when there is nothing to change; it is asked again when somebody else was faster. Answers the circuit as it
    /// stands, and what the change came to if it was made.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn change<T>(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        known: Option<Circuit>,
        now: Timestamp,
        mut change: impl FnMut(&mut Circuit) -> Option<T>,
    ) -> Result<(Circuit, Option<T>), TableError> {
        let mut before = match known {
            Some(circuit) => circuit,
            None => self.get(tenant, endpoint, true).await?,
        };
        for _ in 0..TRIES {
            let mut after = before.clone();
            let Some(result) = change(&mut after) else { return Ok((before, None)) };
            after.version = before.version + 1;
            let item = encode(TABLE, &write(tenant, endpoint, &after, now)?)?;
            match self.0.put(Put { table: TABLE, item, condition: Some(unchanged(&before)) }).await {
                Ok(()) => return Ok((after, Some(result))),
                Err(TableError::ConditionFailed { current }) => {
                    before = current.map_or_else(|| Ok(Circuit::default()), |item| read(*item))?;
                }
                Err(error) => return Err(error),
            }
        }
        tracing::debug!(tenant.id = %tenant, endpoint.id = %endpoint, "the circuit kept changing");
        Ok((before, None))
    }
}

fn unchanged(before: &Circuit) -> Expression {
    match before.version {
        0 => Expression::new("attribute_not_exists(pk)"),
        version => Expression::new("version = :version").number_value(":version", version),
    }
}

/// The circuit in an item of the index `due`, and whose it is.
pub(super) fn read_due(
    tenant: TenantId,
    endpoint: EndpointId,
    item: Item,
) -> Result<EndpointCircuit, TableError> {
    Ok(EndpointCircuit { tenant, endpoint, circuit: read(item)? })
}

fn write(
    tenant: &TenantId,
    endpoint: EndpointId,
    circuit: &Circuit,
    now: Timestamp,
) -> Result<CircuitItem, TableError> {
    let pk = partition(tenant, endpoint);
    let is_over = circuit.state == CircuitState::Closed && circuit.check_at.is_none();
    Ok(CircuitItem {
        circuit: serde_json::to_string(&CircuitForm::new(circuit)).map_err(|error| invalid(TABLE, error))?,
        due: circuit.check_at.map(|_| DueShard::of(&pk).partition()),
        due_at: circuit.check_at.map(due::place),
        pk,
        sk: SORT_KEY.to_owned(),
        version: circuit.version,
        expires_at: is_over.then(|| now.after(RETENTION).as_seconds()),
    })
}

fn read(item: Item) -> Result<Circuit, TableError> {
    let item: CircuitItem = decode(TABLE, item)?;
    let form: CircuitForm = serde_json::from_str(&item.circuit).map_err(|error| invalid(TABLE, error))?;
    let check_at = item.due_at.as_deref().map(due::moment).transpose()?;
    Ok(form.read(check_at, item.version))
}

impl CircuitForm {
    fn new(circuit: &Circuit) -> Self {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
        Self {
            state: match &circuit.state {
                CircuitState::Closed => StateForm::Closed,
                CircuitState::Open { until, by_hand } => {
                    StateForm::Open { until: millis(*until), by_hand: *by_hand }
                }
                CircuitState::HalfOpen { leases } => {
                    StateForm::HalfOpen { leases: leases.iter().map(|lease| lease.as_millis()).collect() }
                }
            },
            failures: circuit.failures,
            openings: circuit.openings,
            opened_at: millis(circuit.opened_at),
            opened_by: circuit.opened_by.clone(),
            failing_since: millis(circuit.failing_since),
            last_success_at: millis(circuit.last_success_at),
            last_failure_at: millis(circuit.last_failure_at),
            last_error: circuit.last_error.as_deref().map(|text| text.chars().take(KEPT_OF_ERROR).collect()),
            warned: circuit.warned,
            notices: circuit.notices.iter().map(NoticeForm::new).collect(),
        }
    }

    fn read(self, check_at: Option<Timestamp>, version: u64) -> Circuit {
        let at = |millis: Option<u64>| millis.map(Timestamp::from_millis);
        Circuit {
            state: match self.state {
                StateForm::Closed => CircuitState::Closed,
                StateForm::Open { until, by_hand } => CircuitState::Open { until: at(until), by_hand },
                StateForm::HalfOpen { leases } => CircuitState::HalfOpen {
                    leases: leases.into_iter().map(Timestamp::from_millis).collect(),
                },
            },
            failures: self.failures,
            openings: self.openings,
            opened_at: at(self.opened_at),
            opened_by: self.opened_by,
            failing_since: at(self.failing_since),
            last_success_at: at(self.last_success_at),
            last_failure_at: at(self.last_failure_at),
            last_error: self.last_error,
            warned: self.warned,
            notices: self.notices.into_iter().map(NoticeForm::read).collect(),
            check_at,
            version,
        }
    }
}

impl NoticeForm {
    const fn new(notice: &Notice) -> Self {
        match *notice {
            Notice::Opened { at } => Self::Opened { at: at.as_millis() },
            Notice::Closed { at } => Self::Closed { at: at.as_millis() },
            Notice::Release => Self::Release,
            Notice::Probe { at } => Self::Probe { at: at.as_millis() },
            Notice::Warning { since, percent } => Self::Warning { since: since.as_millis(), percent },
            Notice::Disable { since } => Self::Disable { since: since.as_millis() },
        }
    }

    const fn read(self) -> Notice {
        let at = Timestamp::from_millis;
        match self {
            Self::Opened { at: millis } => Notice::Opened { at: at(millis) },
            Self::Closed { at: millis } => Notice::Closed { at: at(millis) },
            Self::Release => Notice::Release,
            Self::Probe { at: millis } => Notice::Probe { at: at(millis) },
            Self::Warning { since, percent } => Notice::Warning { since: at(since), percent },
            Self::Disable { since } => Notice::Disable { since: at(since) },
        }
    }
}
