//! Protocol buffers in gRPC frames, for what tonic generates: buffers sized for small messages.
//!
//! tonic's own codec sets 16 KB aside for every call.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec as TonicCodec, DecodeBuf, Decoder, EncodeBuf, Encoder};

const BUFFER_BYTES: usize = 512;
const YIELD_BYTES: usize = 32 * 1024;

/// Encodes `T`, decodes `U`.
pub(crate) struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Codec(PhantomData)
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Prost<T>;
    type Decoder = Prost<U>;

    fn encoder(&mut self) -> Prost<T> {
        Prost(PhantomData)
    }

    fn decoder(&mut self) -> Prost<U> {
        Prost(PhantomData)
    }
}

/// Both directions of one message type.
pub(crate) struct Prost<T>(PhantomData<T>);

impl<T> Default for Prost<T> {
    fn default() -> Self {
        Prost(PhantomData)
    }
}

impl<T: Message> Encoder for Prost<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.reserve(message.encoded_len());
        message.encode_raw(buf);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

impl<T: Message + Default> Decoder for Prost<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(buf).map(Some).map_err(|error| {
            Status::internal(format!("grpc: error unmarshalling request: {error}"))
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}
