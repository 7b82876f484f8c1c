//! Protobuf over gRPC that refuses what it does not know.
//!
//! A decoder that skips unknown fields would hide a field that one server sends and our .proto
//! files lack. Decoded and encoded again, a message must have the length it had on the wire.

use prost::Message;
use std::marker::PhantomData;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

/// See the module.
pub(crate) struct StrictCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + std::fmt::Debug + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = StrictEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        StrictEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(PhantomData)
    }
}

/// Encodes as any protobuf encoder does.
pub(crate) struct StrictEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for StrictEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(into).expect("the buffer grows as needed");
        Ok(())
    }
}

/// Decodes, and refuses fields it does not know.
pub(crate) struct StrictDecoder<U>(PhantomData<U>);

impl<U: Message + Default + std::fmt::Debug> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let received = bytes::Buf::remaining(from);
        let message = U::decode(from).map_err(|error| {
            Status::new(Code::Internal, format!("response does not decode: {error}"))
        })?;
        let known = message.encoded_len();
        if known != received {
            return Err(Status::new(
                Code::Internal,
                format!("response of {received} bytes has {known} in known fields: {message:?}"),
            ));
        }
        Ok(Some(message))
    }
}
