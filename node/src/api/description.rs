//! The description of the API in OpenAPI: the routes' own words, and what holds for all of them.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Ref, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, License, OpenApi, RefOr, Required, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use tacit_protocol::Failure;

/// What a call may be answered with instead of its result: the status, a name, and when. All carry a [`Failure`].
const FAILURES: [(&str, &str, &str); 12] = [
    (
        "400",
        "WrongCall",
        "The call or its input is wrong: PROGRAM_*, INPUT_*, USAGE_*, IMPORT_*, TICKET_*, DATASET_*, PEER_NAME.",
    ),
    ("401", "NoToken", "TOKEN_INVALID: no bearer token of this node, or one that is over."),
    (
        "403",
        "Denied",
        "API_ORIGIN: a foreign host or origin. TOKEN_SCOPE: not for the token's role. POLICY_*, DISCLOSURE_*, \
         APPROVAL_*, EVIDENCE_*, BUDGET_*: a rule or an approver said no.",
    ),
    (
        "404",
        "NotThere",
        "API_ROUTE, JOB_UNKNOWN, DATASET_UNKNOWN, PEER_UNKNOWN, IMPORT_UNKNOWN, TOKEN_UNKNOWN: not there for the caller.",
    ),
    ("405", "WrongMethod", "API_METHOD: the path has no such method."),
    (
        "409",
        "NotNow",
        "JOB_RESULT_PENDING, STATE_ILLEGAL, NODE_DRAINING, RESTORE_NONE, TOKEN_LIMIT, IMPORT_LIMIT: not in this state.",
    ),
    ("413", "TooLarge", "API_LIMIT: the body is too large."),
    ("429", "TooOften", "API_RATE: the token or its address calls too often; `retry-after` says when to ask again."),
    ("500", "Failed", "Every other code: the node could not do it, and says why."),
    ("502", "PeerAway", "PEER_*, CHANNEL_*: the peer or the way to it is not there."),
    ("503", "Busy", "API_BUSY: too much is under way; `retry-after` says when to ask again."),
    ("504", "TooSlow", "API_TIMEOUT: no answer within a minute; what was begun goes on."),
];

/// The description of the API.
pub fn description() -> OpenApi {
    let (_, mut api) = super::routes().split_for_parts();
    api.info.title = "Tacit node".into();
    api.info.description =
        Some("Datasets, peers and jobs of one node. Every error answer is a Failure with a stable code.".into());
    // The macro would name its own authors and licence.
    api.info.contact = None;
    api.info.license = Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    api.info.version = env!("CARGO_PKG_VERSION").into();
    let mut components = ComponentsBuilder::from(api.components.take().unwrap_or_default());
    components = components.schema(Failure::name(), Failure::schema());
    let mut needed = Vec::new();
    Failure::schemas(&mut needed);
    components = components.schemas_from_iter(needed);
    for (_, name, when) in FAILURES {
        let content = Content::new(Some(Ref::from_schema_name(Failure::name())));
        let response = ResponseBuilder::new().description(when).content("application/json", content);
        components = components.response(name, response.build());
    }
    let token = SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build());
    api.components = Some(components.security_scheme("token", token).build());
    api.security = Some(vec![SecurityRequirement::new("token", [""; 0])]);
    for (path, item) in &mut api.paths.paths {
        for operation in operations(item) {
            complete(path, operation);
        }
    }
    api
}

/// Adds what every operation has: the parameters in its path, and the failures.
fn complete(path: &str, operation: &mut Operation) {
    // The macro knows the types of a path's parts, not their names.
    let of_path =
        |known: &RefOr<Parameter>| matches!(known, RefOr::T(known) if known.parameter_in == ParameterIn::Path);
    let mut parameters = operation.parameters.take().unwrap_or_default();
    parameters.retain(|known| !of_path(known));
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let parameter = Parameter::builder().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        parameters.push(RefOr::T(parameter.schema(Some(text)).build()));
    }
    operation.parameters = Some(parameters).filter(|parameters| !parameters.is_empty());
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = "The answer.".into();
        }
    }
    for (status, name, _) in FAILURES {
        operation.responses.responses.insert(status.into(), RefOr::Ref(Ref::from_response_name(name)));
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}
