//! Pools of connections whose answers are not waited for without end.

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt, future::BoxFuture};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::{Any, AnyPool, Either, Error, Execute, Executor, SqlStr, Transaction};
use std::time::Duration;

/// Connections of one kind. Statements run on it as on a pool of sqlx: `.fetch_all(&self.readers)`.
///
/// A server that was cut off from the network never answers and never hangs up: a statement, or what runs
/// [`Pool::within`], is given up after a time, and its connection with it.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connections: AnyPool,
    /// Forever when `None`: a file answers, or fails.
    patience: Option<Duration>,
}

impl Pool {
    pub(super) const fn new(connections: AnyPool, patience: Option<Duration>) -> Self {
        Self { connections, patience }
    }

    /// A transaction that begins with the given statement.
    pub(super) async fn begin_with(&self, begin: &'static str) -> Result<Transaction<'static, Any>, Error> {
        self.within(self.connections.begin_with(begin)).await
    }

    /// What `work` comes to, or an error when that takes longer than an answer may take.
    pub(super) async fn within<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let Some(patience) = self.patience else { return work.await };
        match tokio::time::timeout(patience, work).await {
            Ok(done) => done,
            Err(_) => {
                let silent = format!("the server has not answered within {patience:?}");
                Err(Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silent)).into())
            }
        }
    }

    pub(super) async fn close(&self) {
        self.connections.close().await;
    }
}

impl<'p> Executor<'p> for &'_ Pool {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let pool = self.clone();
        let answer = async move {
            let ask = async {
                let mut connection = pool.connections.acquire().await?;
                (&mut *connection).fetch_many(query).try_collect::<Vec<_>>().await
            };
            pool.within(ask).await
        };
        answer.map_ok(|rows| stream::iter(rows.into_iter().map(Ok))).try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let pool = self.clone();
        let answer = async move {
            let ask = async {
                let mut connection = pool.connections.acquire().await?;
                (&mut *connection).fetch_optional(query).await
            };
            pool.within(ask).await
        };
        answer.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'p: 'e,
    {
        let pool = self.connections.clone();
        async move { pool.prepare_with(sql, parameters).await }.boxed()
    }
}
