//! A WebSocket beside the routes of another HTTP server, on one port: hyper answers `/hello`, and what asks for `/ws` is
//! upgraded by hyper and then becomes Switchboard's. Without another server, `Builder::http` answers plain requests.
//!
//! ```text
//! cargo run -p switchboard-smol --example beside_http -- --listen 127.0.0.1:8080
//! ```

mod listen;

use std::convert::Infallible;
use std::error::Error;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use smol::{Async, Executor};
use smol_hyper::rt::{FuturesIo, SmolTimer};
use switchboard_smol::{Reservation, Server, http};

type Socket = FuturesIo<Async<TcpStream>>;
type Answer = Response<Full<Bytes>>;

struct App {
    switchboard: Server,
    executor: Executor<'static>,
}

/// The routes.
async fn route(app: Arc<App>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    Ok(match path {
        "/hello" => Response::new(Full::from("hello from hyper\n")),
        _ if path == "/ws" || path.starts_with("/ws/") => upgrade(&app, request).await,
        _ => answer(StatusCode::NOT_FOUND, [], "there is /hello and /ws\n"),
    })
}

/// Lets Switchboard decide, and sends what it says. When hyper has sent the 101, the socket changes hands.
async fn upgrade(app: &Arc<App>, mut request: Request<Incoming>) -> Answer {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let target = request.uri().to_string();
    let admitted = match http::HttpRequest::from_parts(request.method().as_str(), &target, headers)
    {
        Ok(head) => app.switchboard.admit(head).await,
        Err(refusal) => Err(refusal.to_response()),
    };
    let admission = match admitted {
        Ok(admission) => admission,
        Err(refused) => {
            let status = StatusCode::from_u16(refused.status().code());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return answer(status, refused.headers(), refused.body().to_vec());
        }
    };
    let headers = admission.upgrade().accept_headers();
    let switching = answer(StatusCode::SWITCHING_PROTOCOLS, headers, "");
    let upgraded = hyper::upgrade::on(&mut request);
    let app_of_task = app.clone();
    let change_hands = async move {
        // If the client is gone before that, the admission is dropped, and its seat free again.
        if let Ok(upgraded) = upgraded.await
            && let Err(error) = adopt(&app_of_task, admission, upgraded)
        {
            eprintln!("an upgraded socket was lost: {error}");
        }
    };
    app.executor.spawn(change_hands).detach();
    switching
}

fn adopt(
    app: &App,
    admission: Reservation,
    upgraded: hyper::upgrade::Upgraded,
) -> Result<(), Box<dyn Error>> {
    let parts =
        upgraded.downcast::<Socket>().map_err(|_| "not the type of socket that was served")?;
    // What the client sent right behind its request has been read by hyper already.
    app.switchboard.adopt(admission, parts.io.into_inner(), &parts.read_buf)?;
    Ok(())
}

fn answer<'a>(
    status: StatusCode,
    headers: impl IntoIterator<Item = (&'static str, &'a str)>,
    body: impl Into<Bytes>,
) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    // Only a header that is none could fail, and these come from a server.
    response.body(Full::new(body.into())).unwrap_or_default()
}

async fn accept(app: &Arc<App>, listener: Async<std::net::TcpListener>) -> std::io::Result<()> {
    loop {
        // A program that is to last goes on when there are too many open files, as `Server::serve` does.
        let (socket, _) = listener.accept().await?;
        let for_service = app.clone();
        let service = service_fn(move |request| route(for_service.clone(), request));
        let connection = http1::Builder::new()
            .timer(SmolTimer::new())
            .header_read_timeout(Duration::from_secs(10))
            .serve_connection(Socket::new(socket), service)
            .with_upgrades();
        let task = async move {
            if let Err(error) = connection.await {
                eprintln!("a connection failed: {error}");
            }
        };
        app.executor.spawn(task).detach();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let switchboard = Server::builder().build()?;
    let app = Arc::new(App { switchboard, executor: Executor::new() });
    let listener = switchboard_smol::bind(listen::address("127.0.0.1:8080")?)?;
    let address = listener.get_ref().local_addr()?;
    println!("listening on http://{address}/hello and ws://{address}/ws/lobby?user=alice. Try");
    println!("    curl http://{address}/hello");
    println!("    npx wscat -c 'ws://{address}/ws/lobby?user=alice'");
    let both = smol::future::or(app.switchboard.run(), accept(&app, listener));
    smol::block_on(app.executor.run(both))?;
    Ok(())
}
