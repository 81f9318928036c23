//! Who sends `Expect: 100-continue` is told to go on, once, before anything else.

use super::*;

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn who_waits_with_a_body_and_is_served_is_told_to_go_on_once() {
    // An answer that reads the body: an empty one as well.
    for (length, body) in [(0, ""), (5, "12345")] {
        let mut stream = connect_to(true);
        let head = format!(
            "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\
             Expect: 100-Continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(answer_head(&mut stream).await, CONTINUE, "{length}");
        stream.write_all(body.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{length}: {answer}");
        assert!(answer.ends_with("\r\n\r\nwhole") && !answer.contains("100 Continue"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_with_an_empty_body_is_told_before_any_answer_of_success() {
    let (server, _dir) = server();
    let empty = "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n";
    // It does not read the body, and the connection goes on.
    let mut stream = connect(&server);
    for _ in 0..2 {
        stream.write_all(format!("{LIVE}{empty}").as_bytes()).await.unwrap();
        assert_eq!(answer_head(&mut stream).await, CONTINUE);
        assert!(answer_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
        let mut body = [0; 5];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"live\n");
    }
    // A refused one is not told, and does not take the next answer for one to its body.
    let mut stream = connect(&server);
    let refused = format!("PUT /bucket/key HTTP/1.1\r\nHost: a\r\n{empty}");
    stream.write_all(refused.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    // Nor is one that does not wait, or speaks HTTP/1.0, which knows no such answer.
    for (version, lines) in [("1.1", ""), ("1.0", "Expect: 100-continue\r\n")] {
        let mut stream = connect(&server);
        let request = format!(
            "GET /_valet/health/live HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\
             Content-Length: 0\r\n{lines}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/{version} 200 OK\r\n")), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn to_go_on_is_said_between_two_answers_though_nothing_is_read() {
    let (server, _dir) = server();
    // A few bytes at a time, so that one answer is still on its way while the next request is read.
    let (mut far, near) = tokio::io::duplex(64);
    tokio::spawn(serve_over(near, server, plenty().of_connection(&Share::unlimited())));
    let waits = "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n";
    let requests = format!("{LIVE}\r\n{LIVE}{waits}{LIVE}{waits}{LIVE}Connection: close\r\n\r\n");
    let (mut read, mut write) = tokio::io::split(&mut far);
    let (answers, ()) = tokio::join!(rest(&mut read), async {
        write.write_all(requests.as_bytes()).await.unwrap();
    });
    let lines: Vec<&str> = answers.lines().filter(|line| line.starts_with("HTTP/")).collect();
    let (go_on, ok) = ("HTTP/1.1 100 Continue", "HTTP/1.1 200 OK");
    assert_eq!(lines, [ok, go_on, ok, go_on, ok, ok], "{answers}");
    assert_eq!(answers.matches("\r\n\r\nlive\nHTTP/1.1 ").count(), 3, "{answers}");
}
